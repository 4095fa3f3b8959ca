-- Every table has row-level security, forced, so that it binds the table's owner as well.
select c.oid::regclass::text as found
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and c.relkind in ('r', 'p')
  and not (c.relrowsecurity and c.relforcerowsecurity);
