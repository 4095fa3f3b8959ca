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

create or replace function federation.page_source(resource federation.federation_resources, clause text, after text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  names constant text := federation.row_names(resource.name);
  rest constant text := format('%s order by %s limit page_size + 1', coalesce('and ' || after, ''), clause);
  owner_type constant text := federation.column_type(resource.table_id, resource.owner_expression::name);
  team_type constant text := federation.column_type(resource.table_id, resource.team_expression::name);
  own text;
begin
  -- Where the policies are the application's, it alone knows what they show.
  if not resource.native_policy
    or not array_remove(array[resource.owner_expression, resource.team_expression], null) <@ resource.columns::text[]
    or not federation.can_index_search(resource.table_id, resource.key_column, resource.owner_expression, resource.team_expression) then
    return format('select %s from %s t where true %s', names, resource.table_id, rest);
  end if;
  -- What the policies show is in one of these: the subject's own rows without a team, and those of each team in scope. Each comes from an index
  -- in order, and ends soon. The policies decide in each.
  own := format(
    'select %s from %s t where page.personal and t.%I = page.subject::%s', names, resource.table_id, resource.owner_expression, owner_type
  );
  if resource.team_expression is null then
    return format('%s %s', own, rest);
  end if;
  return format(
    '(%1$s and t.%2$I is null %3$s) union all select t.* from unnest(page.teams::%4$s[]) as x (team) cross join lateral (
      select %5$s from %6$s t where t.%2$I = x.team %3$s) t',
    own, resource.team_expression, rest, team_type, names, resource.table_id
  );
end;
$$;
revoke all on function federation.page_source(federation.federation_resources, text, text) from public;
comment on function federation.page_source(federation.federation_resources, text, text) is
  'A select of the rows among which the first of a page are, and of no more than it must. after is a condition over the row alias t, or null.';
