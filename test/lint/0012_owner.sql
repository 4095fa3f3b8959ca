-- Everything in the schemas of the federation belongs to federation_owner: a SECURITY DEFINER function never runs as anybody mightier. Functions that
-- run as a peer or as a local user, who may do less, belong to these roles, and federation_owner alone may call them.
select format('schema %I', n.nspname) as found
from pg_namespace n
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and n.nspowner <> 'federation_owner'::regrole
union all
select c.oid::regclass::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and c.relowner <> 'federation_owner'::regrole
union all
select p.oid::regprocedure::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api')
  and p.proowner <> 'federation_owner'::regrole
  and not (
    p.prosecdef
    and p.proowner in ('federation_peer'::regrole, 'federation_user'::regrole)
    and not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x where x.grantee <> 'federation_owner'::regrole)
  );
