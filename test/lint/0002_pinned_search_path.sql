-- Every function has a search path of its own, the empty one: nobody can put another object under a name it uses. One
-- of the SQL standard's form looks no name up when it runs. A prepared function has the one
-- that its resource was registered with, which code of the application's policies may need.
select p.oid::regprocedure::text as found
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and not coalesce('search_path=""' = any (p.proconfig), false)
  and p.prosqlbody is null
union all
select p.oid::regprocedure::text
from pg_proc p
where p.pronamespace = 'federation_prepared'::regnamespace
  and not exists (select from unnest(p.proconfig) as c (setting) where c.setting like 'search_path=_%');
