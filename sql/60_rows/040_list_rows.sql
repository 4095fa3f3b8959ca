-- Guarantees: a page of the rows that row-level security shows to the current role, declared columns only, at most cap of them.
-- Relies on: the policies, which alone decide which rows; on describe_resource and resource_columns for every identifier.
create or replace function federation.select_columns(resource text) returns text
language sql
stable
set search_path = ''
as $$
  -- Whole numbers beyond 2^53 and exact decimals would be rounded by a JSON reader: they leave as strings.
  select string_agg(format(case when c.type in ('bigint', 'numeric') then 't.%1$I::text as %1$I' else 't.%1$I' end, c.name), ', ')
  from federation.resource_columns(resource) c;
$$;
revoke all on function federation.select_columns(text) from public;
grant execute on function federation.select_columns(text) to federation_peer, federation_user;
comment on function federation.select_columns(text) is 'The select list of a resource over the row alias t.';

create or replace function federation.list_rows(
  resource text, filter jsonb, "order" jsonb, first integer, after text, cap integer
) returns json
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
as $$
declare
  described record;
  filtered record;
  sorted record;
  keyset text[];
  size constant integer := federation.page_size(first, cap);
  conditions text[];
  page record;
begin
  select d.* into described from federation.describe_resource(resource) d;
  if not found then
    raise exception 'The resource is not available.' using errcode = 'MF010';
  end if;
  if not described.is_protected then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;

  select f.* into filtered from federation.filter_conditions(resource, filter) f;
  perform federation.check_values(filtered.vals, filtered.casts);
  select
    array_agg(o.name) as names, array_agg(o.type) as types, array_agg(o.is_nullable) as nullables, array_agg(o.descending) as descendings
  into sorted
  from federation.order_terms(resource, "order") o;
  conditions := filtered.conditions;
  if after is not null then
    keyset := federation.decode_cursor(resource, filter, "order", after);
    conditions := conditions || federation.keyset_condition(sorted.names, sorted.types, sorted.nullables, sorted.descendings, keyset);
  end if;

  -- Functions that an application's policies call may rely on its search path; this function's own names are all qualified.
  perform set_config('search_path', described.search_path, true);
  execute federation.page_statement(
    federation.select_columns(resource), sorted.names, sorted.descendings,
    format(
      'select %s from %s t %s order by %s limit $2 + 1',
      federation.row_names(resource), described.table_id,
      case when cardinality(conditions) > 0 then 'where ' || array_to_string(conditions, ' and ') else '' end,
      federation.order_clause(sorted.names, sorted.descendings)
    ),
    '$2'
  )
  into page
  using filtered.vals, size, keyset;
  return federation.page_json(resource, filter, "order", page.page_rows, page.last_keys, page.more, coalesce(first, 50) > cap);
end;
$$;
revoke all on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) from public;
grant execute on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) to federation_peer, federation_user;
comment on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) is
  'One page of a resource: {"rows", "nextCursor", "capped"}; 50 rows where first is null, never more than cap. Raises MF010, MF012, MF013.';
