-- PUBLIC has no privilege on a schema, a table, a view, a sequence or a column.
select format('%s on schema %s', a.privilege_type, n.nspname) as found
from pg_namespace n
cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and a.grantee = 0
union all
select format('%s on %s', a.privilege_type, c.oid::regclass)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join aclexplode(c.relacl) a
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and a.grantee = 0
union all
select format('%s on %s.%I', a.privilege_type, c.oid::regclass, t.attname)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute t on t.attrelid = c.oid
cross join aclexplode(t.attacl) a
where n.nspname in ('federation', 'federation_api', 'federation_prepared', 'home_api') and a.grantee = 0;
