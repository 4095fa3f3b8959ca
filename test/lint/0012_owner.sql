-- Everything in the schemas of the federation belongs to federation_owner: a SECURITY DEFINER function never runs as anybody mightier.
select format('schema %I', n.nspname) as found
from pg_namespace n
where n.nspname in ('federation', 'federation_api', 'home_api') and n.nspowner <> 'federation_owner'::regrole
union all
select c.oid::regclass::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'home_api') and c.relowner <> 'federation_owner'::regrole
union all
select p.oid::regprocedure::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'home_api') and p.proowner <> 'federation_owner'::regrole;
