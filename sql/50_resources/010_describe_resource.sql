-- Guarantees: queries are built from this description and nothing else; a table whose protection was taken away is not described
-- as protected, so the verbs refuse it; what was written beforehand is described as such only while table, policies and the memberships of who reads are as they were then.
create or replace function federation.reading_roles(table_id regclass) returns oid[]
language sql
stable
set search_path = ''
as $$
  with recursive reached (id) as (
    select table_id::oid
    union
    select d.refobjid
    from reached r
    join (
      select 'pg_policy'::regclass as class, p.oid as id, p.polrelid as relation_id from pg_policy p
      union all
      select 'pg_rewrite'::regclass, w.oid, w.ev_class from pg_rewrite w
    ) as o on o.relation_id = r.id
    join pg_depend d on d.classid = o.class and d.objid = o.id and d.refclassid = 'pg_class'::regclass
  )
  select array_agg(o.id order by o.id)
  from (
    select 'federation_peer'::regrole::oid as id
    union
    -- What a view reads is read with the rights of its owner.
    select c.relowner from reached r join pg_class c on c.oid = r.id and c.relkind = 'v'
  ) as o;
$$;
revoke all on function federation.reading_roles(regclass) from public;
comment on function federation.reading_roles(regclass) is
  'Whose rights decide what a peer reads of a table: its own, and those of the owners of views that the policies of the table, or of tables they read, name.';

create or replace function federation.roles_held(roles oid[]) returns text
language plpgsql -- whose plan is kept: each verb asks
stable
set search_path = ''
-- One plan, by index, however many roles there are: what were planned for each list of roles anew would take longer than all the rest.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  reached oid[] := roles;
  next oid[];
  attributes text;
  memberships text;
  held text := '';
begin
  -- Which policies bind whoever reads is part of a plan, and a plan that is kept does not hear of memberships: neither for the policies of a table nor
  -- for those of tables they read. No role is a member of itself through others, so there is an end.
  while reached is not null loop
    select
      (select string_agg(concat_ws('.', r.oid, r.rolinherit, r.rolsuper, r.rolbypassrls), ',' order by r.oid) from pg_roles r where r.oid = any (reached)),
      array_agg(m.roleid), string_agg(concat_ws('.', m.roleid, m.xmin, m.ctid), ',' order by m.ctid)
    into attributes, next, memberships
    from pg_auth_members m
    where m.member = any (reached);
    held := concat(held, ';', attributes, ';', memberships);
    reached := next;
  end loop;
  return held;
end;
$$;
revoke all on function federation.roles_held(oid[]) from public;
comment on function federation.roles_held(oid[]) is 'What these roles are and are members of, for comparison only: by ids and versions.';

create or replace function federation.resource_fingerprint(table_id regclass, native_policy oid, roles oid[]) returns text
language plpgsql -- whose plan is kept
stable
set search_path = ''
as $$
begin
  return (
    select concat_ws(
      ';', c.oid::regclass, c.relrowsecurity,
      (
        -- A policy that is made or altered is another row, or another version of one, elsewhere. What it refers to may have another name in the same
        -- version: the one of which the words were taken is compared by its words.
        select string_agg(
          concat_ws('.', p.oid, p.xmin, p.ctid, case when p.oid = native_policy then md5(pg_get_expr(p.polqual, p.polrelid)) end),
          ',' order by p.polname
        )
        from pg_policy p
        where p.polrelid = table_id
      ),
      (
        select string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, -1), a.attnotnull, a.attcollation), ',' order by a.attnum)
        from pg_attribute a
        where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped
      ),
      (
        select string_agg(n.conkey::text, ',')
        from pg_constraint n
        where n.conrelid = table_id and n.contype = 'n' and not n.convalidated
      ),
      federation.roles_held(roles)
    )
    from pg_class c
    where c.oid = table_id
  );
end;
$$;
revoke all on function federation.resource_fingerprint(regclass, oid, oid[]) from public;
comment on function federation.resource_fingerprint(regclass, oid, oid[]) is
  'Name, columns and policies of a table, and what roles hold, for comparison only: by ids and versions, so a copy of a database has others.';

create or replace function federation.describe_resource(resource text)
returns table (
  name text, table_id regclass, key_column name, columns name[], text_columns name[], time_column name, order_by jsonb,
  search_path text, is_protected boolean, team_column name, team_type text, is_prepared boolean, personal_condition text
)
language plpgsql -- whose plan is kept: each verb asks
volatile -- so that it sees what was committed since the statement began that asks: whatever is planned next is planned for that
security definer -- peers and users cannot read the catalogue of resources
rows 1
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select
    r.name, r.table_id, r.key_column, r.columns, r.text_columns, r.time_column, r.order_by,
    coalesce(r.identity_settings ->> 'search_path', ''),
    c.relrowsecurity and exists (
      select
      from pg_policy p
      where p.polrelid = r.table_id
        and p.polname = r.name || '_scope'
        and not p.polpermissive
        and p.polcmd = '*'
        and 'federation_peer'::regrole::oid = any (p.polroles)
    ),
    r.team_expression::name,
    federation.column_type(r.table_id, r.team_expression::name),
    f.is_prepared,
    case when f.is_prepared then w.personal_condition end
  from federation.federation_resources r
  join pg_class c on c.oid = r.table_id
  left join federation.federation_prepared_resources w on w.resource_name = r.name
  cross join lateral (select coalesce(w.fingerprint = federation.resource_fingerprint(r.table_id, w.native_policy, w.roles), false) offset 0) as f (is_prepared)
  where r.name = describe_resource.resource;
end;
$$;
revoke all on function federation.describe_resource(text) from public;
grant execute on function federation.describe_resource(text) to federation_peer, federation_user, federation_admin;
comment on function federation.describe_resource(text) is 'What a query over a resource may name, and whether row-level security and the scope policy are still on its table.';

-- Of an earlier release.
drop function if exists federation.readiness(text);

create or replace function federation.readiness(resource text, mark text) returns text
language plpgsql
volatile -- as describe_resource; whoever has a mark has a lock on the table
security definer -- peers cannot read the catalogue of resources
set search_path = ''
as $$
declare
  what constant text := 'federation.ready_' || md5(resource);
  known jsonb := federation.recall(what, mark)::jsonb;
  ignored text;
begin
  if known is null then
    -- Nothing that Postgres plans anew for has changed while the mark is the same, so once looked is enough, if it is looked after the plan was made: what
    -- that saw, an older snapshot may not see. A mark is a uuid, a space, and the stamp of its transaction.
    select jsonb_build_object('kind', case when d.personal_condition is null then 'whole' else 'by team' end, 'roles', w.roles::text, 'held', federation.roles_held(w.roles))
    into known
    from federation.describe_resource(resource) d
    join federation.federation_prepared_resources w on w.resource_name = d.name
    where mark is not null and d.is_protected and d.is_prepared;
    if known is not null and substr(mark, 38) <> federation.session_stamp() then
      ignored := federation.remember(what, mark, known::text, true);
    end if;
  elsif federation.roles_held((known ->> 'roles')::oid[]) is distinct from known ->> 'held' then
    return null;
  end if;
  return known ->> 'kind';
end;
$$;
revoke all on function federation.readiness(text, text) from public;
grant execute on function federation.readiness(text, text) to federation_peer;
comment on function federation.readiness(text, text) is
  'How the prepared functions of a protected resource read it as it is now: "by team" or "whole"; null where there are none or they are out of date. The mark '
  'is that of prepared_mark.';

create or replace function federation.resource_columns(resource text)
returns table (name name, type text, kind text, is_nullable boolean)
language sql
stable
security definer -- peers and users cannot read the catalogue of resources
set search_path = ''
as $$
  select
    a.attname,
    format_type(a.atttypid, -1),
    case
      when t.typcategory = 'B' then 'boolean'
      -- To read the name of a table, a role or the like as its number tells whether there is one.
      when t.typcategory = 'N' and coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text !~ '^reg' then 'number'
      when t.typcategory in ('D', 'E', 'I', 'S', 'T') or coalesce(nullif(t.typbasetype, 0), t.oid) = 'uuid'::regtype then 'string'
      else 'opaque'
    end,
    -- From PostgreSQL 18 on, a column can be not null for new rows only.
    not a.attnotnull or exists (
      select from pg_constraint n
      where n.conrelid = a.attrelid and n.contype = 'n' and not n.convalidated and a.attnum = any (n.conkey)
    )
  from federation.federation_resources r
  cross join unnest(r.columns) with ordinality as c (name, position)
  join pg_attribute a on a.attrelid = r.table_id and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
  where r.name = resource_columns.resource
  order by c.position;
$$;
revoke all on function federation.resource_columns(text) from public;
grant execute on function federation.resource_columns(text) to federation_peer, federation_user, federation_admin;
comment on function federation.resource_columns(text) is
  'The columns of a resource that may leave, with their types as they are now. Kind says what JSON compares with them; opaque ones are neither filtered nor ordered by.';
