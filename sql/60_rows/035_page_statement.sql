-- Guarantees: the one place where a page becomes SQL text, whether for one request or beforehand. What it adds to a query (branches, ranges) only
-- divides the rows that the policies show among several index scans; which rows these are, the policies decide in each of them.
-- Relies on: resource_columns for every identifier; personal_condition, which comes from the table's own policy. Texts are joined, never used as
-- a format: a name may hold any character. The text is read under the application's search path, by a peer's or a user's rights: functions are named with
-- their schema, operators and the types of columns are those that the application's own queries have.
create or replace function federation.select_columns(resource text) returns text
language sql
stable
set search_path = ''
as $$
  -- Whole numbers beyond 2^53 and exact decimals would be rounded by a JSON reader: they leave as strings.
  select string_agg(format(case when c.type in ('bigint', 'numeric') then 't.%1$I::pg_catalog.text as %1$I' else 't.%1$I' end, c.name), ', ')
  from federation.resource_columns(resource) c;
$$;
revoke all on function federation.select_columns(text) from public;
grant execute on function federation.select_columns(text) to federation_peer, federation_user;
comment on function federation.select_columns(text) is 'The select list of a resource over the row alias t.';

create or replace function federation.page_statement(
  resource text, table_id regclass, conditions text[], ranges text[], order_names name[], descendings boolean[],
  team_column name, team_type text, personal_condition text
) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  columns text;
  team text;
  order_clause text;
  keys text;
  order_columns text;
  range text;
  range_conditions text[];
  scans text[] := '{}';
begin
  select
    string_agg(format('t.%I', c.name), ', '),
    -- A name that no column has: it is longer than theirs.
    repeat('t', least(63, 1 + max(octet_length(c.name::text))))
  into columns, team
  from federation.resource_columns(resource) c;
  if personal_condition is not null then
    columns := concat(columns, format(', t.%I as ', team_column), team);
  end if;
  select
    string_agg(format('t.%I %s', o.name, case when o.descending then 'desc' else 'asc' end), ', ' order by o.n),
    string_agg(format('q.k%s::pg_catalog.text', o.n), ', ' order by o.n),
    string_agg(format('t.%I as k%s', o.name, o.n), ', ' order by o.n)
  into order_clause, keys, order_columns
  from unnest(order_names, descendings) with ordinality as o (name, descending, n);

  foreach range in array case when cardinality(ranges) = 0 then array[null] else ranges end loop
    range_conditions := array_remove(conditions || range, null);
    if personal_condition is null then
      scans := scans || federation.page_scan(columns, table_id, range_conditions, order_clause, '$2 + 1');
    else
      -- An index answers in the order of its columns for one team at a time, and for no list of teams. A row has one team, or none.
      scans := scans
        || federation.page_scan(
          columns, table_id, array['$4', format('t.%I is null', team_column), '(' || personal_condition || ')'] || range_conditions, order_clause,
          '$2 + 1'
        )
        || concat(
          '(select b.* from (select distinct u.team::', team_type, ' as team from pg_catalog.unnest($5) u (team)) s cross join lateral ',
          federation.page_scan(columns, table_id, format('t.%I = s.team', team_column) || range_conditions, order_clause, '$6'), ' b)'
        );
    end if;
  end loop;
  return concat(
    'select pg_catalog.json_agg(q.page_row) filter (where q.n <= $2), case when pg_catalog.count(*) > $2 then',
    -- Of the one row that a cursor may be made for.
    ' pg_catalog.max(pg_catalog.json_build_array(', keys, ')::pg_catalog.text) filter (where q.n = $2) end,',
    ' pg_catalog.array_agg(q.team::pg_catalog.text) from (select pg_catalog.row_number() over () as n, ', order_columns,
    case when personal_condition is null then ', null' else ', t.' || team end, ' as team, (select pg_catalog.row_to_json(r) from (select ',
    federation.select_columns(resource), ') r) as page_row from (select t.* from (', array_to_string(scans, ' union all '), ') t order by ',
    order_clause, ' limit $2 + 1) t) q'
  );
end;
$$;
revoke all on function federation.page_statement(text, regclass, text[], text[], name[], boolean[], name, text, text) from public;
grant execute on function federation.page_statement(text, regclass, text[], text[], name[], boolean[], name, text, text) to federation_peer, federation_user;
comment on function federation.page_statement(text, regclass, text[], text[], name[], boolean[], name, text, text) is
  'The query for one page: its rows as a JSON array; where more follow, the position of its last; the team of each row and of the one that follows. $1 values of '
  'conditions, $2 rows, $3 position, $4 whether rows without a team are of interest, $5 of which teams, $6 how many rows of a team are read: where as many of one '
  'team are answered, more of that team may belong to the page. Without a personal condition $4 to $6 are unused.';

create or replace function federation.page_scan(columns text, table_id regclass, conditions text[], order_clause text, most text) returns text
language sql
stable
set search_path = ''
as $$
  select concat(
    '(select ', columns, ' from ', table_id, ' t', ' where ' || nullif(array_to_string(conditions, ' and '), ''), ' order by ', order_clause, ' limit ', most, ')'
  );
$$;
revoke all on function federation.page_scan(text, regclass, text[], text, text) from public;
grant execute on function federation.page_scan(text, regclass, text[], text, text) to federation_peer, federation_user;
comment on function federation.page_scan(text, regclass, text[], text, text) is 'One ordered, limited scan of a page.';
