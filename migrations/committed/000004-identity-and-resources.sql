--! Previous: sha1:4cce2f21c80f7d6510725849143dcc304d992b56
--! Hash: sha1:f0e1c84bcf9df6a3267bb8b5b00c1aa3906d97b8

-- What the federation knows of the application's own tables.
set local role federation_owner;

create table federation.federation_identity (
  singleton boolean primary key default true constraint federation_identity_singleton check (singleton),
  users_table regclass not null,
  user_column name not null,
  memberships_table regclass,
  member_user_column name,
  member_team_column name,
  bound_at timestamptz not null default now(),
  bound_by text not null default session_user,
  constraint federation_identity_memberships check (
    (memberships_table is null) = (member_user_column is null) and (memberships_table is null) = (member_team_column is null)
  )
);
comment on table federation.federation_identity is 'Which table and columns hold users and memberships: one row, written by federation.bind_identity.';

create table federation.federation_resources (
  name text primary key constraint federation_resources_name check (name ~ '^[a-z][a-z0-9_]{0,49}$'),
  table_id regclass not null unique,
  key_column name not null,
  owner_expression text,
  team_expression text,
  columns name[] not null constraint federation_resources_columns check (cardinality(columns) > 0),
  hidden_columns name[] not null default '{}',
  text_columns name[] not null default '{}',
  time_column name,
  order_by jsonb not null,
  identity_settings jsonb not null default '{}',
  native_policy boolean not null,
  registered_at timestamptz not null default now(),
  registered_by text not null default session_user
);
comment on table federation.federation_resources is 'Tables registered for federation. Every identifier that reaches a query comes from here.';
comment on column federation.federation_resources.columns is 'The columns that may leave, as of registration: a column added to the table later stays at home.';
comment on column federation.federation_resources.native_policy is 'True where the table had no row-level security and registration installed the owner-or-team policy.';

create table federation.federation_resource_privileges (
  resource_name text not null references federation.federation_resources on delete cascade,
  role_name name not null,
  object_kind text not null constraint federation_resource_privileges_kind check (object_kind in ('schema', 'column', 'role')),
  object_id oid not null,
  column_number smallint not null default 0,
  granted_here boolean not null,
  primary key (resource_name, role_name, object_kind, object_id, column_number)
);
comment on table federation.federation_resource_privileges is 'What registration granted, so that dropping it leaves the tables as they were found.';
comment on column federation.federation_resource_privileges.granted_here is 'False where the privilege was there before any registration.';

reset role;
