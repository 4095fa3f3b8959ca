-- The sample application: users in teams, and four kinds of rows that are personal (no team) or a team's.
-- It stands for an application that was there before the federation: it has row-level security of its own, which reads the
-- setting app.user_id, and knows nothing of grants.
do $$
begin
  create role app_owner nologin;
exception
  when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant app_owner to %I', current_user);
  end if;
end
$$;

create schema app authorization app_owner;
set local role app_owner;
comment on schema app is 'A sample application: what the federation reads, none of it its own.';

create table app.users (
  id text primary key,
  name text not null,
  email text not null unique
);
comment on table app.users is 'People.';

create table app.teams (
  id text primary key,
  name text not null
);
comment on table app.teams is 'Groups of people.';

create table app.memberships (
  user_id text not null references app.users on delete cascade,
  team_id text not null references app.teams on delete cascade,
  role text not null default 'member' check (role in ('member', 'lead')),
  primary key (user_id, team_id)
);
create index memberships_team_id_idx on app.memberships (team_id);
comment on table app.memberships is 'Who is in which team.';

create table app.projects (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  summary text,
  owner_id text not null references app.users on delete cascade,
  team_id text references app.teams on delete cascade,
  created_at timestamptz not null default now()
);
create index projects_owner_id_idx on app.projects (owner_id, created_at, id);
create index projects_team_id_idx on app.projects (team_id, created_at, id);
comment on table app.projects is 'What tasks belong to.';

create table app.tasks (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  body text,
  status text not null default 'open' check (status in ('open', 'doing', 'done')),
  priority integer not null default 3 check (priority between 1 and 5),
  due_on date,
  owner_id text not null references app.users on delete cascade,
  team_id text references app.teams on delete cascade,
  project_id uuid references app.projects on delete set null,
  created_at timestamptz not null default now()
);
create index tasks_owner_id_idx on app.tasks (owner_id, created_at, id);
create index tasks_team_id_idx on app.tasks (team_id, created_at, id);
create index tasks_project_id_idx on app.tasks (project_id);
comment on table app.tasks is 'Things to do.';

create table app.notes (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  body text not null default '',
  owner_id text not null references app.users on delete cascade,
  team_id text references app.teams on delete cascade,
  created_at timestamptz not null default now()
);
create index notes_owner_id_idx on app.notes (owner_id, created_at, id);
create index notes_team_id_idx on app.notes (team_id, created_at, id);
comment on table app.notes is 'Things to remember.';

create table app.credentials (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  secret text not null,
  owner_id text not null references app.users on delete cascade,
  team_id text references app.teams on delete cascade,
  created_at timestamptz not null default now()
);
create index credentials_owner_id_idx on app.credentials (owner_id, created_at, id);
create index credentials_team_id_idx on app.credentials (team_id, created_at, id);
comment on table app.credentials is 'Passwords and keys: the resource that a grant should leave out.';

create function app.current_user_id() returns text
language sql
stable
set search_path = ''
as $$
  select nullif(current_setting('app.user_id', true), '');
$$;
comment on function app.current_user_id() is 'The user that the application signed in.';

create function app.current_team_ids() returns text[]
language sql
stable
security definer -- the policies of other tables ask, and not every reader may read memberships
set search_path = ''
as $$
  select coalesce(array_agg(m.team_id), array[]::text[]) from app.memberships m where m.user_id = app.current_user_id();
$$;
comment on function app.current_team_ids() is 'The teams of the user that the application signed in.';

alter table app.users enable row level security;
alter table app.users force row level security;
create policy users_read on app.users for select using (id = (select app.current_user_id()));

alter table app.teams enable row level security;
alter table app.teams force row level security;
create policy teams_read on app.teams for select using (id = any ((select app.current_team_ids())::text[]));

alter table app.memberships enable row level security;
alter table app.memberships force row level security;
create policy memberships_read on app.memberships for select using (user_id = (select app.current_user_id()));

alter table app.projects enable row level security;
alter table app.projects force row level security;
create policy projects_read on app.projects for select
using (owner_id = (select app.current_user_id()) or team_id = any ((select app.current_team_ids())::text[]));

alter table app.tasks enable row level security;
alter table app.tasks force row level security;
create policy tasks_read on app.tasks for select
using (owner_id = (select app.current_user_id()) or team_id = any ((select app.current_team_ids())::text[]));

alter table app.notes enable row level security;
alter table app.notes force row level security;
create policy notes_read on app.notes for select
using (owner_id = (select app.current_user_id()) or team_id = any ((select app.current_team_ids())::text[]));

alter table app.credentials enable row level security;
alter table app.credentials force row level security;
create policy credentials_read on app.credentials for select
using (owner_id = (select app.current_user_id()) or team_id = any ((select app.current_team_ids())::text[]));

reset role;
