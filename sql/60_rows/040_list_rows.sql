-- Guarantees: a page of the rows that row-level security shows to the current role, declared columns only, at most cap of them.
-- Relies on: the policies, which alone decide which rows; on page_statement for the query, and on prepare_resource for those written beforehand.
create or replace function federation.has_as_many(teams text[], most integer) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return exists (select from unnest(teams) as t (team) where t.team is not null group by t.team having count(*) >= most);
end;
$$;
revoke all on function federation.has_as_many(text[], integer) from public;
grant execute on function federation.has_as_many(text[], integer) to federation_peer, federation_user;
comment on function federation.has_as_many(text[], integer) is 'Whether one of these teams is there so often, or more.';

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
  ready text;
  seen text;
  described record;
  filtered record;
  sorted record;
  keyset text[];
  page_size integer;
  is_personal boolean;
  teams text[];
  statement text;
  prepared record;
  page_rows json;
  last_keys text;
  page_teams text[];
  most integer;
  next_cursor text;
begin
  if first < 1 then
    raise exception 'A page has at least one row.' using errcode = 'MF012', detail = '{"path": "first"}';
  end if;
  page_size := least(coalesce(first, 50), cap);
  if after is not null then
    keyset := federation.decode_cursor(resource, filter, "order", after);
  end if;
  -- Plans are kept for the rights of one role.
  if current_user = 'federation_peer' and nullif(filter, 'null') is null and nullif("order", 'null') is null and array_position(keyset, null) is null then
    begin
      ready := federation.readiness(resource, federation.prepared_mark(resource));
      if ready = 'by team' then
        is_personal := federation.scope_personal();
        teams := federation.scope_teams();
      end if;
      if ready is not null then
        -- Few rows of each team fill a page. Where they are not enough of one, it is read again, with as many of each as it could take.
        foreach most in array array[4 + 5 * (page_size + 1) / (1 + coalesce(cardinality(teams), 0)), page_size + 1] loop
          -- An assignment is evaluated at once; a query, of a function only, is not.
          prepared := federation.prepared_list(resource, page_size, keyset, is_personal, teams, least(most, page_size + 1));
          page_rows := prepared.page_rows;
          last_keys := prepared.last_keys;
          page_teams := prepared.page_teams;
          exit when most > page_size or not federation.has_as_many(page_teams, most);
        end loop;
      end if;
    exception
      -- What is written for the resource has gone, or names a type or a collation that has another name by now, of which a plan does not hear.
      when undefined_object or undefined_function then
        ready := null;
    end;
  end if;
  if ready is null then
    seen := federation.registration_seen(resource);
    select d.* into described from federation.describe_resource(resource) d;
    if not found then
      raise exception 'The resource is not available.' using errcode = 'MF010';
    end if;
    if not described.is_protected then
      raise exception 'The resource is not available for now.' using errcode = 'MF013';
    end if;
    -- A local user has no scope for teams to come from.
    if current_user <> 'federation_peer' then
      described.personal_condition := null;
    elsif described.personal_condition is not null then
      is_personal := federation.scope_personal();
      teams := federation.scope_teams();
    end if;
    select f.* into filtered from federation.filter_conditions(resource, filter) f;
    perform federation.check_values(filtered.vals, filtered.casts);
    select
      array_agg(o.name) as names, array_agg(o.type) as types, array_agg(o.is_nullable) as nullables, array_agg(o.descending) as descendings
    into sorted
    from federation.order_terms(resource, "order") o;
    statement := federation.page_statement(
      resource, described.table_id, filtered.conditions,
      case when after is not null then federation.keyset_ranges(sorted.names, sorted.types, sorted.nullables, sorted.descendings, keyset) else '{}' end,
      sorted.names, sorted.descendings, described.team_column, described.team_type, described.personal_condition
    );
    -- Functions that an application's policies call may rely on its search path; nothing else is called under it.
    perform pg_catalog.set_config('search_path', described.search_path, true);
    execute statement into page_rows, last_keys, page_teams using filtered.vals, page_size, keyset, is_personal, teams, page_size + 1;
    perform pg_catalog.set_config('search_path', '', true);
    perform federation.require_as_read(resource, seen);
  end if;

  if last_keys is not null then
    next_cursor := federation.encode_cursor(
      resource, filter, "order", array(select e.item from json_array_elements_text(last_keys::json) with ordinality as e (item, n) order by e.n)
    );
    -- decode_cursor takes no longer one: better no page than one that nothing follows.
    if length(next_cursor) > 8192 then
      raise exception 'The values of this order are too long to page by.' using errcode = 'MF012', detail = '{"path": "order"}';
    end if;
  end if;
  return json_build_object(
    'rows', coalesce(page_rows, '[]'), 'nextCursor', next_cursor, 'capped', next_cursor is not null and coalesce(first, 50) > cap
  );
end;
$$;
revoke all on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) from public;
grant execute on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) to federation_peer, federation_user;
comment on function federation.list_rows(text, jsonb, jsonb, integer, text, integer) is
  'One page of a resource: {"rows", "nextCursor", "capped"}; 50 rows where first is null, never more than cap. Raises MF010, MF012, MF013.';
