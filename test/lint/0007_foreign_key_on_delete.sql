-- Every foreign key says what deleting does. NO ACTION is what Postgres takes where nothing was said.
select format('%s on %s', k.conname, k.conrelid::regclass) as found
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and k.contype = 'f'
  and k.confdeltype = 'a';
