-- Every column that a policy compares begins an index.
select distinct format('%s.%I', a.attrelid::regclass, a.attname) as found
from pg_policy p
join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
where not exists (
  select from pg_index i where i.indrelid = a.attrelid and i.indisvalid and i.indpred is null and i.indkey[0] = a.attnum
);
