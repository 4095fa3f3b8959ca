-- The same rights as those of a grant, for peers that can only say settings: stock PostGraphile, postgres_fdw. They read `stock.subject` and
-- `stock.grant_id`, as an application's policies do; nothing proves them, which is what such a peer is content with.
do $$
begin
  create role stock_reader nologin;
exception
  when duplicate_object then null;
end
$$;

create schema stock;
grant usage on schema stock, work to stock_reader;
grant select on work.tasks to stock_reader;

create function stock.teams() returns text[]
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(array_agg(m.team_id), '{}') from work.memberships m where m.user_id = current_setting('stock.subject', true);
$$;

create function stock.scope_teams() returns text[]
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(array_agg(m.team_id), '{}')
  from work.memberships m
  join federation.federation_grants g on g.id = current_setting('stock.grant_id', true)::uuid
  where m.user_id = current_setting('stock.subject', true)
    and (g.scope -> 'include_teams' = '"*"' or g.scope -> 'include_teams' ? m.team_id);
$$;

create function stock.is_admitted(personal boolean) returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (
    select from federation.federation_grants g
    where g.id = current_setting('stock.grant_id', true)::uuid
      and g.status = 'active'
      and (g.expires_at is null or g.expires_at > statement_timestamp())
      and g.scope -> 'resources' ? 'tasks'
      and (not personal or (g.scope ->> 'include_personal')::boolean)
  );
$$;

-- Restrictive, for the policy by which the table is left to everybody else admits this role, too.
create policy tasks_stock on work.tasks as restrictive for select to stock_reader using (
  (owner_id = (select current_setting('stock.subject', true)) or team_id = any ((select stock.teams())::text[]))
  and (select stock.is_admitted(false))
  and case
    when team_id is null then (select stock.is_admitted(true))
    else team_id = any ((select stock.scope_teams())::text[])
  end
);
