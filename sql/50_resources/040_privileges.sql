-- Guarantees: peers and users can read the declared columns and what the policies of the table refer to, and no more; what was
-- granted for a registration goes with it, unless another registration needs it or it was there before.
-- Relies on: pg_depend, which lists the columns that a policy refers to.
create or replace function federation.needed_privileges(table_id regclass, columns name[], policies name[], identity_role name)
returns table (role_name name, object_kind text, object_id oid, column_number smallint)
language sql
stable
set search_path = ''
as $$
  with needed as (
    select a.attrelid, a.attnum
    from pg_catalog.pg_attribute a
    where a.attrelid = table_id and a.attname = any (columns)
    union
    -- Columns of the table itself need no privilege in its own policies; those of other tables do.
    select d.refobjid, d.refobjsubid::smallint
    from pg_catalog.pg_policy p
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
    where p.polrelid = table_id
      and p.polname = any (policies)
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.refobjid <> table_id
      and d.refobjsubid > 0
  )
  select r.name, o.kind, o.id, o.number
  from unnest(array['federation_peer', 'federation_user']::name[]) as r (name)
  cross join (
    select 'column' as kind, n.attrelid as id, n.attnum as number from needed n
    union
    select 'schema', c.relnamespace, 0::smallint from needed n join pg_catalog.pg_class c on c.oid = n.attrelid
    union
    select 'role', i.oid, 0::smallint from pg_catalog.pg_roles i where i.rolname = identity_role
  ) as o;
$$;
revoke all on function federation.needed_privileges(regclass, name[], name[], name) from public;
grant execute on function federation.needed_privileges(regclass, name[], name[], name) to federation_admin;
comment on function federation.needed_privileges(regclass, name[], name[], name) is 'What peers and users need to read a resource under the given policies of its table.';

create or replace function federation.privilege_held(role_name name, object_kind text, object_id oid, column_number smallint) returns boolean
language sql
stable
set search_path = ''
as $$
  -- What a role has through another does not count: it goes when the membership goes.
  select case object_kind
    when 'role' then pg_has_role(role_name, object_id, 'usage')
    else exists (
      select
      from (
        select n.nspacl, 'USAGE' from pg_catalog.pg_namespace n where object_kind = 'schema' and n.oid = object_id
        union all
        select c.relacl, 'SELECT' from pg_catalog.pg_class c where object_kind = 'column' and c.oid = object_id
        union all
        select a.attacl, 'SELECT'
        from pg_catalog.pg_attribute a
        where object_kind = 'column' and a.attrelid = object_id and a.attnum = column_number
      ) as o (acl, privilege)
      cross join aclexplode(o.acl) as x
      left join pg_catalog.pg_roles r on r.oid = x.grantee
      where x.privilege_type = o.privilege and (x.grantee = 0 or r.rolname = role_name)
    )
  end;
$$;
revoke all on function federation.privilege_held(name, text, oid, smallint) from public;
grant execute on function federation.privilege_held(name, text, oid, smallint) to federation_admin;
comment on function federation.privilege_held(name, text, oid, smallint) is 'Whether a role has a privilege that registration could grant, by its own name or as everybody has it.';

create or replace function federation.privilege_statement(
  verb text, role_name name, object_kind text, object_id oid, column_number smallint
) returns text
language sql
stable
set search_path = ''
as $$
  select format(
    case object_kind
      when 'schema' then '%1$s usage on schema %2$s %3$s %4$I'
      when 'role' then '%1$s %2$s %3$s %4$I'
      else '%1$s select (%5$I) on %2$s %3$s %4$I'
    end,
    verb,
    case object_kind
      when 'schema' then object_id::regnamespace::text
      when 'role' then object_id::regrole::text
      else object_id::regclass::text
    end,
    case verb when 'grant' then 'to' else 'from' end,
    role_name,
    (select a.attname from pg_catalog.pg_attribute a where object_kind = 'column' and a.attrelid = object_id and a.attnum = column_number)
  );
$$;
revoke all on function federation.privilege_statement(text, name, text, oid, smallint) from public;
grant execute on function federation.privilege_statement(text, name, text, oid, smallint) to federation_admin;
comment on function federation.privilege_statement(text, name, text, oid, smallint) is 'The grant or revoke statement for one privilege, every name of it from the catalogue.';
