--! Previous: -
--! Hash: sha1:ecac9b3d959a54308221ca5a9780deef163234fe

-- Six roles, none of them superuser or above row-level security, and four schemas owned by federation_owner.
-- Roles belong to the cluster, not to the database: another database of the cluster may have made them before.
do $$
declare
  role_name text;
begin
  foreach role_name in array array[
    'federation_owner', 'federation_gateway', 'federation_peer', 'federation_user', 'federation_worker', 'federation_admin'
  ] loop
    begin
      execute format('create role %I nologin', role_name);
    exception
      when duplicate_object or unique_violation then null;
    end;
  end loop;
  if exists (
    select from pg_roles
    where rolname in (
      'federation_owner', 'federation_gateway', 'federation_peer', 'federation_user', 'federation_worker', 'federation_admin'
    ) and (rolsuper or rolbypassrls or rolcanlogin)
  ) then
    raise exception 'a federation role already exists with SUPERUSER, BYPASSRLS or LOGIN'
      using hint = 'take these attributes from it, then migrate again: row-level security would not bind it';
  end if;
end
$$;

-- noinherit: the gateway has a peer's rights only inside a transaction that says so.
do $$
begin
  if (select rolinherit from pg_roles where rolname = 'federation_gateway') then
    alter role federation_gateway noinherit;
  end if;
  if not pg_has_role('federation_gateway', 'federation_peer', 'member') then
    grant federation_peer, federation_user, federation_worker to federation_gateway;
  end if;
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant federation_owner, federation_admin to %I', current_user);
  end if;
end
$$;

create schema federation authorization federation_owner;
create schema federation_api authorization federation_owner;
create schema home_api authorization federation_owner;

set local role federation_owner;

comment on schema federation is 'Tables and admin functions of the federation gateway.';
comment on schema federation_api is 'The verbs a peer can say, and nothing else: all that a peer''s GraphQL shows.';
comment on schema home_api is 'What the GraphQL of local users shows.';

-- Whatever federation_owner makes later is closed until it is granted.
alter default privileges for role federation_owner revoke execute on functions from public;
alter default privileges for role federation_owner revoke usage on types from public;

grant usage on schema federation to federation_gateway, federation_peer, federation_user, federation_worker, federation_admin;
grant usage on schema federation_api to federation_peer;
grant usage on schema home_api to federation_user;

reset role;
