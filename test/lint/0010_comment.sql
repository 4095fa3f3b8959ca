-- Every schema, table, view, function and policy of the federation has a comment, the policies it puts on other tables among them.
-- A partition is what its table is.
select n.nspname::text as found
from pg_namespace n
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and obj_description(n.oid, 'pg_namespace') is null
union all
select c.oid::regclass::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api')
  and c.relkind in ('r', 'p', 'v', 'm')
  and not c.relispartition
  and obj_description(c.oid, 'pg_class') is null
union all
select p.oid::regprocedure::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and obj_description(p.oid, 'pg_proc') is null
union all
select format('policy %I on %s', p.polname, p.polrelid::regclass)
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_namespace n on n.oid = c.relnamespace
where (
    n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api')
    or p.polname = 'federation_identity'
    or exists (
      select
      from federation.federation_resources r
      where r.table_id = p.polrelid and p.polname in (r.name || '_scope', r.name || '_native', r.name || '_others')
    )
  )
  and obj_description(p.oid, 'pg_policy') is null;
