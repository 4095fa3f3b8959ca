-- No function may be executed by PUBLIC.
select p.oid::regprocedure::text as found
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api')
  and exists (
    select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0 and a.privilege_type = 'EXECUTE'
  );
