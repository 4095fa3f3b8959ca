-- Guarantees: the federation can read the columns that are named here, and nothing else of these tables; each way by which a row goes has a
-- trigger, which fires in replication and under session_replication_role, too.
-- Relies on: the caller's own rights over the tables (grants, policies and triggers are made as the caller), so that
-- nobody binds a table that is not theirs.
create or replace function federation.bind_identity(
  users_table regclass,
  user_column name,
  memberships_table regclass default null,
  member_user_column name default null,
  member_team_column name default null,
  user_deleted_column name default null,
  member_deleted_column name default null
) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  reads record;
  schema_name name;
begin
  if (memberships_table is null) <> (member_user_column is null) or (memberships_table is null) <> (member_team_column is null)
    or (memberships_table is null and member_deleted_column is not null) then
    raise exception 'A memberships table needs its user column and its team column.' using errcode = 'MF022';
  end if;
  for reads in
    select c.* from federation.identity_columns(
      users_table, array[user_column, user_deleted_column], memberships_table, array[member_user_column, member_team_column, member_deleted_column]
    ) c
  loop
    if federation.column_type(reads.table_id, reads.column_name) is null then
      raise exception '% has no column %.', reads.table_id, reads.column_name using errcode = 'MF022';
    end if;
  end loop;
  for reads in
    select users_table as table_id, user_deleted_column as column_name
    union all select memberships_table, member_deleted_column
  loop
    if not exists (
      select from pg_catalog.pg_type t
      where t.oid = federation.column_type(reads.table_id, reads.column_name)::regtype and t.typcategory in ('B', 'D')
    ) and reads.column_name is not null then
      raise exception '% of % is neither a boolean nor a time.', reads.column_name, reads.table_id using errcode = 'MF022';
    end if;
  end loop;
  if (select c.relkind not in ('r', 'p') from pg_catalog.pg_class c where c.oid = users_table) then
    raise exception '% is not a table: deleting a user there could not revoke a grant.', users_table using errcode = 'MF022';
  end if;
  if (select c.relkind not in ('r', 'p') from pg_catalog.pg_class c where c.oid = memberships_table) then
    raise warning '% is not a table: a subject who leaves the last team there loses its rows at once, but no grant is revoked.', memberships_table;
  end if;

  perform federation.unbind_identity();

  for reads in
    select t.table_id, string_agg(distinct format('%I', t.column_name), ', ') as columns
    from federation.identity_columns(
      users_table, array[user_column, user_deleted_column], memberships_table, array[member_user_column, member_team_column, member_deleted_column]
    ) t
    group by t.table_id
  loop
    select n.nspname into schema_name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = reads.table_id;
    if not has_schema_privilege('federation_owner', schema_name, 'usage') then
      execute format('grant usage on schema %I to federation_owner', schema_name);
    end if;
    execute format('grant select (%s) on %s to federation_owner', reads.columns, reads.table_id);
    if (select c.relkind in ('r', 'p') from pg_catalog.pg_class c where c.oid = reads.table_id) then
      execute format(
        'create policy federation_identity on %s as permissive for select to federation_owner using (true)', reads.table_id
      );
      execute format(
        'comment on policy federation_identity on %s is %L', reads.table_id,
        'Lets the federation read who exists and who is in which team. Made by federation.bind_identity.'
      );
    end if;
  end loop;

  perform federation.watch_table(
    users_table, 'users', array[user_column, user_deleted_column], format('federation.tg_users__revoke_grants(%L)', user_column)
  );
  if (select c.relkind in ('r', 'p') from pg_catalog.pg_class c where c.oid = memberships_table) then
    perform federation.watch_table(
      memberships_table, 'memberships', array[member_user_column, member_team_column, member_deleted_column],
      format(
        'federation.tg_memberships__revoke_grants(%L, %L, %L)', member_user_column, member_team_column, coalesce(member_deleted_column, '')
      )
    );
  end if;
  perform federation.record_identity(
    users_table, user_column, memberships_table, member_user_column, member_team_column, user_deleted_column, member_deleted_column
  );
end;
$$;
revoke all on function federation.bind_identity(regclass, name, regclass, name, name, name, name) from public;
grant execute on function federation.bind_identity(regclass, name, regclass, name, name, name, name) to federation_admin;
comment on function federation.bind_identity(regclass, name, regclass, name, name, name, name) is
  'Names the tables and columns of users and memberships. From then on a grant is revoked when its subject is deleted, or marked as deleted (true, or any time), or has '
  'left the last team that a grant of team rows only rests on. Replaces an earlier binding.';

create or replace function federation.identity_columns(users_table regclass, user_columns name[], memberships_table regclass, member_columns name[])
returns table (table_id regclass, column_name name)
language sql
immutable
set search_path = ''
as $$
  select users_table, c.name from unnest(user_columns) as c (name) where c.name is not null
  union
  select memberships_table, c.name from unnest(member_columns) as c (name) where c.name is not null and memberships_table is not null;
$$;
revoke all on function federation.identity_columns(regclass, name[], regclass, name[]) from public;
grant execute on function federation.identity_columns(regclass, name[], regclass, name[]) to federation_admin;
comment on function federation.identity_columns(regclass, name[], regclass, name[]) is 'The columns of a binding, with their tables.';

create or replace function federation.identity_triggers(table_id regclass, what text)
returns table (on_table regclass, trigger_name text, event text, how text)
language sql
stable
set search_path = ''
as $$
  select table_id, format('_900_federation_%s_deleted', what), 'delete', 'for each row'
  union all
  select table_id, format('_900_federation_%s_changed', what), 'update', 'for each row'
  union all
  -- A partition can be truncated by its own name, and then only its own trigger fires.
  select t.relid, format('_900_federation_%s_truncated', what), 'truncate', 'for each statement'
  from (select table_id as relid union select p.relid from pg_catalog.pg_partition_tree(table_id) p) t;
$$;
revoke all on function federation.identity_triggers(regclass, text) from public;
grant execute on function federation.identity_triggers(regclass, text) to federation_admin;
comment on function federation.identity_triggers(regclass, text) is
  'The triggers that a table of users or memberships has while it is bound: one for each way by which a row goes.';

create or replace function federation.watch_table(table_id regclass, what text, columns name[], call text) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  made record;
  has_changed text;
begin
  -- Not "update of": a trigger of the application may set the column where the statement does not name it.
  select ' when (' || string_agg(format('old.%1$I is distinct from new.%1$I', c.name), ' or ') || ')' into has_changed
  from unnest(columns) as c (name) where c.name is not null;
  for made in select * from federation.identity_triggers(table_id, what) loop
    execute format(
      'create trigger %I after %s on %s %s execute function %s',
      made.trigger_name, made.event, made.on_table, made.how || case made.event when 'update' then has_changed else '' end, call
    );
    execute format('alter table %s enable always trigger %I', made.on_table, made.trigger_name);
  end loop;
end;
$$;
revoke all on function federation.watch_table(regclass, text, name[], text) from public;
grant execute on function federation.watch_table(regclass, text, name[], text) to federation_admin;
comment on function federation.watch_table(regclass, text, name[], text) is 'Puts the triggers of a binding on one table, as its owner.';

create or replace function federation.unbind_identity() returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  bound record;
  bound_table regclass;
  made record;
  schema_name name;
begin
  select * into bound from federation.bound_identity();
  if not found then
    return;
  end if;
  foreach bound_table in array array_remove(array[bound.users_table, bound.memberships_table], null) loop
    if not exists (select from pg_catalog.pg_class c where c.oid = bound_table) then
      continue;
    end if;
    if exists (select from pg_catalog.pg_policy p where p.polrelid = bound_table and p.polname = 'federation_identity') then
      execute format('drop policy federation_identity on %s', bound_table);
    end if;
    for made in
      select t.tgname, t.tgrelid::regclass as on_table
      from pg_catalog.pg_trigger t
      where t.tgrelid in (select bound_table union select p.relid from pg_catalog.pg_partition_tree(bound_table) p)
        and t.tgparentid = 0
        and (
          t.tgfoid in ('federation.tg_users__revoke_grants'::regproc, 'federation.tg_memberships__revoke_grants'::regproc)
          -- What bears the name of one stands in its place.
          or t.tgname in (
            select i.trigger_name
            from unnest(array['users', 'memberships']) as w (what) cross join lateral federation.identity_triggers(bound_table, w.what) i
          )
        )
    loop
      execute format('drop trigger %I on %s', made.tgname, made.on_table);
    end loop;
    execute format(
      'revoke select (%s) on %s from federation_owner',
      (
        select string_agg(distinct format('%I', c.column_name), ', ')
        from federation.identity_columns(
          bound.users_table, array[bound.user_column, bound.user_deleted_column],
          bound.memberships_table, array[bound.member_user_column, bound.member_team_column, bound.member_deleted_column]
        ) c
        where c.table_id = bound_table
      ),
      bound_table
    );
    select n.nspname into schema_name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = bound_table
      and exists (select from aclexplode(n.nspacl) x where x.grantee = 'federation_owner'::regrole)
      and n.nspowner <> 'federation_owner'::regrole;
    if found then
      execute format('revoke usage on schema %I from federation_owner', schema_name);
    end if;
  end loop;
  perform federation.record_identity(null, null, null, null, null, null, null);
end;
$$;
revoke all on function federation.unbind_identity() from public;
grant execute on function federation.unbind_identity() to federation_admin;
comment on function federation.unbind_identity() is 'Takes the binding, its policies, triggers and privileges away. Without one, no grant can be created and no team is anyone''s.';

create or replace function federation.bound_identity() returns setof federation.federation_identity
language sql
stable
security definer -- administrators have no right on the table itself
rows 1
set search_path = ''
as $$
  select i.* from federation.federation_identity i;
$$;
revoke all on function federation.bound_identity() from public;
grant execute on function federation.bound_identity() to federation_admin;
comment on function federation.bound_identity() is 'The bound identity; no row where none is bound.';

create or replace function federation.record_identity(
  users_table regclass, user_column name, memberships_table regclass, member_user_column name, member_team_column name,
  user_deleted_column name, member_deleted_column name
) returns void
language plpgsql
volatile
security definer -- administrators have no right on the table itself
set search_path = ''
as $$
begin
  delete from federation.federation_identity;
  if users_table is not null then
    insert into federation.federation_identity (
      users_table, user_column, memberships_table, member_user_column, member_team_column, user_deleted_column, member_deleted_column
    ) values (users_table, user_column, memberships_table, member_user_column, member_team_column, user_deleted_column, member_deleted_column);
  end if;
  perform federation.rebuild_identity_functions();
end;
$$;
revoke all on function federation.record_identity(regclass, name, regclass, name, name, name, name) from public;
grant execute on function federation.record_identity(regclass, name, regclass, name, name, name, name) to federation_admin;
comment on function federation.record_identity(regclass, name, regclass, name, name, name, name) is
  'Writes the row behind federation.bind_identity, which is what administrators call.';
