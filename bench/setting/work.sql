-- What every peer reads: tasks whose owners and teams are few that have many and many that have few. The first of :rows rows is the oldest.
create schema work;

create table work.users (id text primary key);
insert into work.users select 'u' || n from generate_series(0, 1999) n;

create table work.memberships (
  user_id text not null references work.users on delete cascade,
  team_id text not null,
  primary key (user_id, team_id)
);
create index on work.memberships (team_id);
-- The three subjects, whose grants reach 1, 10 and 100 of 400 teams, large and small ones.
insert into work.memberships
select 'u1001', 't200'
union all select 'u1010', 't' || n * 40 from generate_series(0, 9) n
union all select 'u1100', 't' || n * 4 from generate_series(0, 99) n;

create table work.tasks (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  body text,
  status text not null,
  priority integer not null,
  due_on date,
  owner_id text not null,
  team_id text,
  created_at timestamptz not null
);
comment on table work.tasks is 'Tasks of a benchmark.';

-- The same rows at each load. Every second row is personal; u0 owns 8 % of all, team t0 has 2.5 %, and a subject about 0.02 %.
select setseed(0.7);
insert into work.tasks (title, body, status, priority, due_on, owner_id, team_id, created_at)
select
  'Task ' || n || ' of the quarter',
  repeat('What is to be done, and by whom. ', 3),
  (array['open', 'doing', 'done'])[1 + n % 3],
  1 + n % 5,
  date '2026-01-01' + (n % 365)::integer,
  'u' || floor(2000 * power(random(), 3)),
  case when n % 2 = 0 then 't' || floor(400 * power(random(), 2)) end,
  timestamptz '2020-01-01 00:00Z' + n * interval '13 seconds'
from generate_series(1, :rows) n;

create index on work.tasks (owner_id, created_at, id);
create index on work.tasks (team_id, created_at, id);
alter table work.tasks add foreign key (owner_id) references work.users on delete cascade;
analyze;
