-- Guarantees: page_of_<resource> and row_of_<resource> are used only while the table, its columns and its policies are what they were written
-- from; the rows are still for the policies to decide. Their plans are kept, which those of statements made for each request are not.
-- Relies on: federation_resources.prepared_for. A change of the table leaves the slower way until the functions are written anew.
create or replace function federation.table_version(resource text) returns text
language plpgsql
stable
security definer -- peers and users cannot read the catalogue of resources
set search_path = ''
as $$
begin
  return (
    select concat_ws(
      ' ', c.relrowsecurity,
      -- Sums, for they need no order.
      (select sum(hashtext(p.polname || p.xmin::text)) from pg_catalog.pg_policy p where p.polrelid = c.oid),
      (
        select sum(hash_record_extended(row(a.attname, a.atttypid, a.attnotnull, a.attcollation), 0))
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and a.attname = any (r.columns)
      )
    )
    from federation.federation_resources r
    join pg_catalog.pg_class c on c.oid = r.table_id
    where r.name = table_version.resource
  );
end;
$$;
revoke all on function federation.table_version(text) from public;
comment on function federation.table_version(text) is 'Changes with whatever of a resource''s table a prepared function depends on: columns, policies, row-level security.';

create or replace function federation.is_prepared(resource text) returns boolean
language plpgsql
stable
security definer -- peers and users cannot read the catalogue of resources
set search_path = ''
as $$
begin
  return coalesce(
    (select r.prepared_for from federation.federation_resources r where r.name = resource) = federation.table_version(resource), false
  );
end;
$$;
revoke all on function federation.is_prepared(text) from public;
grant execute on function federation.is_prepared(text) to federation_peer;
comment on function federation.is_prepared(text) is 'Whether page_of_… and row_of_… are there and are of the table as it is now.';

create or replace function federation.has_branches(resource federation.federation_resources) returns boolean
language sql
stable
set search_path = ''
as $$
  -- Where the policies are the application's, it alone knows what they show.
  select resource.native_policy
    and array_remove(array[resource.owner_expression, resource.team_expression], null) <@ resource.columns::text[]
    and federation.can_index_search(resource.table_id, resource.key_column, resource.owner_expression, resource.team_expression);
$$;
revoke all on function federation.has_branches(federation.federation_resources) from public;
comment on function federation.has_branches(federation.federation_resources) is
  'Whether what the policies show of a table is the subject''s own rows and those of the teams in scope, in plain columns.';

create or replace function federation.page_source(resource federation.federation_resources, clause text, after text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  names constant text := federation.row_names(resource.name);
  rest constant text := format('%s order by %s limit', coalesce('and ' || after, ''), clause);
  own constant text := format(
    'from %s t where page.personal and t.%I = page.subject::%s',
    resource.table_id, resource.owner_expression, federation.column_type(resource.table_id, resource.owner_expression::name)
  );
begin
  if not federation.has_branches(resource) then
    return format('select %s from %s t where true %s page.page_size + 1', names, resource.table_id, rest);
  end if;
  if resource.team_expression is null then
    return format('select %s %s %s page.page_size + 1', names, own, rest);
  end if;
  -- What the policies show is in one of these: the subject's own rows without a team, and those of each team in scope. Each comes from an index
  -- in order, and ends soon. The policies decide in each.
  return format(
    '(select 0::bigint as "page turn", %1$s %2$s and t.%3$I is null %4$s page.page_size + 1)
      union all
      select t.* from unnest(page.teams::%5$s[]) as x (team) cross join lateral (
        select row_number() over () as "page turn", t.* from (select %1$s from %6$s t where t.%3$I = x.team %4$s page.turns) t
      ) t',
    names, own, resource.team_expression, rest, federation.column_type(resource.table_id, resource.team_expression::name), resource.table_id
  );
end;
$$;
revoke all on function federation.page_source(federation.federation_resources, text, text) from public;
comment on function federation.page_source(federation.federation_resources, text, text) is
  'A select of the rows among which the first of a page are, with no more of each team than page.turns. after is a condition over the row alias t, or null.';
