-- Every function has a search path of its own, the empty one: nobody can put another object under a name it uses.
select p.oid::regprocedure::text as found
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and not coalesce('search_path=""' = any (p.proconfig), false);
