-- No role of the federation, nor any role it is a member of, is above row-level security or can make itself so.
with recursive reached as (
  select r.oid, r.rolname as through from pg_roles r where r.rolname ~ '^federation_'
  union
  select m.roleid, f.through from reached f join pg_auth_members m on m.member = f.oid
)
select format('%s, through %s', r.rolname, f.through) as found
from reached f
join pg_roles r on r.oid = f.oid
where r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
  or r.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files');
