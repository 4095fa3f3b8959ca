-- Guarantees: a page is at most its size of the rows that its source shows, in their order, and the position of its last row where more follow.
-- Relies on: the source, which is a select from one table under its policies; every name in it comes from the catalogue.
create or replace function federation.row_names(resource text) returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(format('t.%I', c.name), ', ') from federation.resource_columns(resource) c;
$$;
revoke all on function federation.row_names(text) from public;
grant execute on function federation.row_names(text) to federation_peer, federation_user;
comment on function federation.row_names(text) is 'The declared columns of a resource over the row alias t, as they are.';

create or replace function federation.order_clause(names name[], descendings boolean[]) returns text
language sql
immutable
set search_path = ''
as $$
  select string_agg(format('t.%I %s', o.name, case when o.descending then 'desc' else 'asc' end), ', ' order by o.n)
  from unnest(names, descendings) with ordinality as o (name, descending, n);
$$;
revoke all on function federation.order_clause(name[], boolean[]) from public;
grant execute on function federation.order_clause(name[], boolean[]) to federation_peer, federation_user;
comment on function federation.order_clause(name[], boolean[]) is 'What follows order by, over the row alias t.';

create or replace function federation.page_statement(
  columns text, names name[], descendings boolean[], source text, size text, cut_short text default 'false'
) returns text
language sql
immutable
set search_path = ''
as $$
  -- JSON is written for the rows of the page alone, and the position of one.
  select format(
    'select
        json_agg(q.page_row) filter (where q.place <= %1$s) as page_rows,
        min(q.keys) as last_keys,
        coalesce(max(q.place) > %1$s, false) as more,
        (count(*) filter (where q.place <= %1$s))::integer as row_count,
        coalesce(bool_or(q.cut_short), false) as cut_short
      from (
        select
          t."page place" as place,
          %6$s as cut_short,
          (select row_to_json(r.*) from (select %2$s) r) as page_row,
          case when t."page place" = %1$s then array[%3$s] end as keys
        from (select row_number() over () as "page place", t.* from (select t.* from (%4$s) t order by %5$s limit %1$s + 1) t) t
      ) q',
    size, columns, (select string_agg(format('t.%I::text', o.name), ', ' order by o.n) from unnest(names) with ordinality as o (name, n)),
    source, federation.order_clause(names, descendings), cut_short
  );
$$;
revoke all on function federation.page_statement(text, name[], boolean[], text, text, text) from public;
grant execute on function federation.page_statement(text, name[], boolean[], text, text, text) to federation_peer, federation_user;
comment on function federation.page_statement(text, name[], boolean[], text, text, text) is
  'A select of a page: its rows as JSON, the position of its last row, whether more follow, how many they are, and whether the condition cut_short holds of any.';

create or replace function federation.page_json(
  resource text, filter jsonb, "order" jsonb, page_rows json, last_keys text[], more boolean, capped boolean
) returns json
language plpgsql
stable
set search_path = ''
as $$
declare
  next_cursor text;
begin
  if more then
    next_cursor := federation.encode_cursor(resource, filter, "order", last_keys);
    -- decode_cursor takes no longer one: better no page than one that nothing follows.
    if length(next_cursor) > 8192 then
      raise exception 'The values of this order are too long to page by.' using errcode = 'MF012', detail = '{"path": "order"}';
    end if;
  end if;
  return json_build_object('rows', coalesce(page_rows, '[]'), 'nextCursor', next_cursor, 'capped', more and capped);
end;
$$;
revoke all on function federation.page_json(text, jsonb, jsonb, json, text[], boolean, boolean) from public;
grant execute on function federation.page_json(text, jsonb, jsonb, json, text[], boolean, boolean) to federation_peer, federation_user;
comment on function federation.page_json(text, jsonb, jsonb, json, text[], boolean, boolean) is
  'What list answers: {"rows", "nextCursor", "capped"}. Raises MF012.';

create or replace function federation.page_size(first integer, cap integer) returns integer
language plpgsql
immutable
set search_path = ''
as $$
begin
  if first < 1 then
    raise exception 'A page has at least one row.' using errcode = 'MF012', detail = '{"path": "first"}';
  end if;
  return least(coalesce(first, 50), cap);
end;
$$;
revoke all on function federation.page_size(integer, integer) from public;
grant execute on function federation.page_size(integer, integer) to federation_peer, federation_user;
comment on function federation.page_size(integer, integer) is 'How many rows a page has at most: 50 where first is null, never more than cap. Raises MF012.';
