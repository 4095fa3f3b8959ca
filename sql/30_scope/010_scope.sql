-- Guarantees: what a scope does not say it does not allow. These are the only readers of a scope.
-- Relies on: federation.active_grant, so that an inactive grant has no scope at all. In plpgsql for the reason that is given there.
create or replace function federation.scope_names_resource(scope jsonb, resource text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(scope -> 'resources' ? resource and not coalesce(scope -> 'excluded_resources' ? resource, false), false);
end;
$$;
revoke all on function federation.scope_names_resource(jsonb, text) from public;
comment on function federation.scope_names_resource(jsonb, text) is 'Whether a scope names the resource and does not exclude it; excluding wins.';

create or replace function federation.scope_admits(resource text) returns boolean
language plpgsql
stable
security definer -- reads the grant
set search_path = ''
as $$
begin
  return federation.scope_names_resource((federation.active_grant()).scope, resource);
end;
$$;
revoke all on function federation.scope_admits(text) from public;
grant execute on function federation.scope_admits(text) to federation_peer;
comment on function federation.scope_admits(text) is 'Whether the active grant''s scope names the resource and does not exclude it; excluding wins.';

create or replace function federation.scope_personal() returns boolean
language plpgsql
stable
security definer -- reads the grant
set search_path = ''
as $$
begin
  return coalesce(((federation.active_grant()).scope ->> 'include_personal')::boolean, false);
end;
$$;
revoke all on function federation.scope_personal() from public;
grant execute on function federation.scope_personal() to federation_peer;
comment on function federation.scope_personal() is 'Whether rows with no team are in scope; false where the scope is silent.';

create or replace function federation.teams_in_scope(the_grant federation.federation_grants) returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  included constant jsonb := the_grant.scope -> 'include_teams';
  teams constant text[] := coalesce(federation.subject_teams(the_grant.subject_user_id), array[]::text[]);
begin
  return case
    when included = '"*"'::jsonb then teams
    when jsonb_typeof(included) = 'array' then array(select t.team from unnest(teams) as t (team) where included ? t.team)
    else array[]::text[]
  end;
end;
$$;
revoke all on function federation.teams_in_scope(federation.federation_grants) from public;
comment on function federation.teams_in_scope(federation.federation_grants) is
  'The teams that a grant''s scope includes and its subject is a member of now; none where the scope is silent.';

create or replace function federation.scope_teams() returns text[]
language plpgsql
stable
security definer -- reads the grant and the memberships
set search_path = ''
as $$
begin
  return federation.teams_in_scope(federation.active_grant());
end;
$$;
revoke all on function federation.scope_teams() from public;
grant execute on function federation.scope_teams() to federation_peer;
comment on function federation.scope_teams() is 'The teams in scope; none without an active grant.';

create or replace function federation.scope_cap() returns integer
language plpgsql
stable
security definer -- reads the grant
set search_path = ''
as $$
begin
  return coalesce(((federation.active_grant()).scope ->> 'max_rows_per_query')::integer, 100);
end;
$$;
revoke all on function federation.scope_cap() from public;
grant execute on function federation.scope_cap() to federation_peer;
comment on function federation.scope_cap() is 'The most rows one query may return under the active grant: 100 where the scope is silent.';

create or replace function federation.scope_names_team(scope jsonb, teams text[]) returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(
    case jsonb_typeof(scope -> 'include_teams')
      when 'array' then scope -> 'include_teams' ?| teams
      when 'string' then cardinality(array_remove(teams, null)) > 0
    end,
    false
  );
$$;
revoke all on function federation.scope_names_team(jsonb, text[]) from public;
comment on function federation.scope_names_team(jsonb, text[]) is 'Whether a stored scope includes one of these teams: "*" includes any.';
