-- Guarantees: the federation can read the user key and the two membership columns, and nothing else of these tables.
-- Relies on: the caller's own rights over the tables (grants, policies and triggers are made as the caller), so that
-- nobody binds a table that is not theirs.
create or replace function federation.bind_identity(
  users_table regclass,
  user_column name,
  memberships_table regclass default null,
  member_user_column name default null,
  member_team_column name default null
) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  reads record;
  schema_name name;
begin
  if (memberships_table is null) <> (member_user_column is null) or (memberships_table is null) <> (member_team_column is null) then
    raise exception 'A memberships table needs its user column and its team column.' using errcode = 'MF022';
  end if;
  for reads in
    select users_table as table_id, user_column as column_name
    union all select memberships_table, member_user_column where memberships_table is not null
    union all select memberships_table, member_team_column where memberships_table is not null
  loop
    if federation.column_type(reads.table_id, reads.column_name) is null then
      raise exception '% has no column %.', reads.table_id, reads.column_name using errcode = 'MF022';
    end if;
  end loop;
  if (select c.relkind not in ('r', 'p') from pg_catalog.pg_class c where c.oid = users_table) then
    raise exception '% is not a table: deleting a user there could not revoke a grant.', users_table using errcode = 'MF022';
  end if;

  perform federation.unbind_identity();

  for reads in
    select t.table_id, string_agg(distinct format('%I', t.column_name), ', ') as columns
    from (
      values (users_table, user_column), (memberships_table, member_user_column), (memberships_table, member_team_column)
    ) as t (table_id, column_name)
    where t.table_id is not null
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

  execute format(
    'create trigger _900_federation_revoke_grants after delete or update of %I on %s
      for each row execute function federation.tg_users__revoke_grants(%L)',
    user_column, users_table, user_column
  );
  execute format(
    'create trigger _900_federation_revoke_all_grants after truncate on %s
      for each statement execute function federation.tg_users__revoke_grants(%L)',
    users_table, user_column
  );
  perform federation.record_identity(users_table, user_column, memberships_table, member_user_column, member_team_column);
end;
$$;
revoke all on function federation.bind_identity(regclass, name, regclass, name, name) from public;
grant execute on function federation.bind_identity(regclass, name, regclass, name, name) to federation_admin;
comment on function federation.bind_identity(regclass, name, regclass, name, name) is
  'Names the tables and columns of users and memberships; from then on deleting a user revokes the grants where that user is the subject. Replaces an earlier binding.';

create or replace function federation.unbind_identity() returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  bound record;
  bound_table regclass;
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
    execute format('drop trigger if exists _900_federation_revoke_grants on %s', bound_table);
    execute format('drop trigger if exists _900_federation_revoke_all_grants on %s', bound_table);
    execute format(
      'revoke select (%s) on %s from federation_owner',
      (
        select string_agg(distinct format('%I', c.column_name), ', ')
        from (
          values (bound.users_table, bound.user_column), (bound.memberships_table, bound.member_user_column),
            (bound.memberships_table, bound.member_team_column)
        ) as c (table_id, column_name)
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
  perform federation.record_identity(null, null, null, null, null);
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
  users_table regclass, user_column name, memberships_table regclass, member_user_column name, member_team_column name
) returns void
language plpgsql
volatile
security definer -- administrators have no right on the table itself
set search_path = ''
as $$
begin
  delete from federation.federation_identity;
  if users_table is not null then
    insert into federation.federation_identity (users_table, user_column, memberships_table, member_user_column, member_team_column)
    values (users_table, user_column, memberships_table, member_user_column, member_team_column);
  end if;
  perform federation.rebuild_identity_functions();
end;
$$;
revoke all on function federation.record_identity(regclass, name, regclass, name, name) from public;
grant execute on function federation.record_identity(regclass, name, regclass, name, name) to federation_admin;
comment on function federation.record_identity(regclass, name, regclass, name, name) is
  'Writes the row behind federation.bind_identity, which is what administrators call.';
