-- Every foreign key has an index that begins with its columns: deleting what it refers to reads no whole table.
select format('%s on %s', k.conname, k.conrelid::regclass) as found
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and k.contype = 'f'
  and not exists (
    select
    from pg_index i
    where i.indrelid = k.conrelid
      and i.indisvalid
      and i.indpred is null
      and k.conkey::smallint[] @> (i.indkey::smallint[])[0:cardinality(k.conkey) - 1]
      and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey::smallint[]
  );
