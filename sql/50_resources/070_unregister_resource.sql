-- Guarantees: the table is left as it was found: our policies go, and row-level security, privileges, triggers and index where registration brought them.
create or replace function federation.require_no_live_grant(resource text) returns void
language plpgsql
volatile -- so that it sees what was committed since the statement began that asks
set search_path = ''
as $$
begin
  if exists (select from federation.list_grants() g where g.ended_at is null and g.scope -> 'resources' ? resource) then
    raise exception 'A live grant names the resource "%": revoke it first.', resource using errcode = 'MF031';
  end if;
end;
$$;
revoke all on function federation.require_no_live_grant(text) from public;
grant execute on function federation.require_no_live_grant(text) to federation_admin;
comment on function federation.require_no_live_grant(text) is 'Raises MF031 while a live grant names the resource.';

create or replace function federation.unregister_resource(name text) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  resource record;
  granted record;
  still_there boolean;
begin
  -- First: what is looked at after it is as of then.
  perform federation.lock_registrations();
  select r.* into resource from federation.list_resources() r where r.name = unregister_resource.name;
  if not found then
    raise exception 'There is no such resource.' using errcode = 'MF011';
  end if;
  perform federation.require_no_live_grant(name);
  -- Before the table: a start that writes it anew has it, and waits for the table.
  perform federation.unprepare_resource(name);
  still_there := exists (select from pg_catalog.pg_class c where c.oid = resource.table_id);
  if still_there then
    execute format('drop policy if exists %I on %s', name || '_scope', resource.table_id);
    if resource.native_policy then
      execute format('drop policy if exists %I on %s', name || '_native', resource.table_id);
      execute format('drop policy if exists %I on %s', name || '_others', resource.table_id);
    end if;
    perform federation.drop_embedding_index(resource.table_id);
    execute format('drop trigger if exists %I on %s', name || '_words', resource.table_id);
    execute format('drop trigger if exists %I on %s', name || '_words_truncate', resource.table_id);
    -- Policies that were added since would be without force.
    if resource.native_policy and not exists (select from pg_catalog.pg_policy p where p.polrelid = resource.table_id) then
      execute format('alter table %s disable row level security', resource.table_id);
    end if;
  end if;
  for granted in select f.* from federation.forget_resource(name) f loop
    if federation.privilege_object_exists(granted.object_kind, granted.object_id, granted.column_number) then
      execute federation.privilege_statement('revoke', granted.role_name, granted.object_kind, granted.object_id, granted.column_number);
    end if;
  end loop;
  -- One may have been made while the table was waited for.
  perform federation.require_no_live_grant(name);
end;
$$;
revoke all on function federation.unregister_resource(text) from public;
grant execute on function federation.unregister_resource(text) to federation_admin;
comment on function federation.unregister_resource(text) is
  'Drops a registration and leaves the table as it was found. Raises MF011, and MF031 while a live grant names the resource.';

create or replace function federation.privilege_object_exists(object_kind text, object_id oid, column_number smallint) returns boolean
language sql
stable
set search_path = ''
as $$
  select case object_kind
    when 'schema' then exists (select from pg_catalog.pg_namespace n where n.oid = object_id)
    when 'role' then exists (select from pg_catalog.pg_roles r where r.oid = object_id)
    else exists (
      select from pg_catalog.pg_attribute a where a.attrelid = object_id and a.attnum = column_number and not a.attisdropped
    )
  end;
$$;
revoke all on function federation.privilege_object_exists(text, oid, smallint) from public;
grant execute on function federation.privilege_object_exists(text, oid, smallint) to federation_admin;
comment on function federation.privilege_object_exists(text, oid, smallint) is 'Whether what a privilege was granted on is still there.';
