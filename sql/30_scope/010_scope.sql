-- Guarantees: what a scope does not say it does not allow. These are the only readers of a scope.
-- Relies on: federation.session_facts, so that an inactive grant has no scope at all. In plpgsql, whose plans are kept: policies call them.
create or replace function federation.scope_names(scope jsonb, resource text) returns boolean
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
immutable
return coalesce(scope -> 'resources' ? resource, false) and not coalesce(scope -> 'excluded_resources' ? resource, false);
revoke all on function federation.scope_names(jsonb, text) from public;
comment on function federation.scope_names(jsonb, text) is 'Whether a scope names the resource and does not exclude it; excluding wins.';

create or replace function federation.scope_most_rows(scope jsonb) returns integer
language sql -- as above
immutable
return coalesce((scope ->> 'max_rows_per_query')::integer, 100);
revoke all on function federation.scope_most_rows(jsonb) from public;
comment on function federation.scope_most_rows(jsonb) is 'The most rows that one query may return under a scope: 100 where it is silent.';

create or replace function federation.scope_admits(resource text) returns boolean
language plpgsql
stable
security definer -- reads the grant
set search_path = ''
as $$
declare
  scope constant jsonb := federation.session_facts() -> 'scope';
begin
  -- Apart, for an argument that is a call is called as often as it is named.
  return federation.scope_names(scope, resource);
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
  return coalesce((federation.session_facts() -> 'scope' ->> 'include_personal')::boolean, false);
end;
$$;
revoke all on function federation.scope_personal() from public;
grant execute on function federation.scope_personal() to federation_peer;
comment on function federation.scope_personal() is 'Whether rows with no team are in scope; false where the scope is silent.';

create or replace function federation.scope_teams() returns text[]
language plpgsql
stable
security definer -- reads the grant and the memberships
set search_path = ''
as $$
declare
  as_of constant text := federation.as_of_statement();
  teams text[] := federation.recall('federation.scope_teams', as_of)::text[];
  facts jsonb;
  included jsonb;
  ignored text;
begin
  if teams is null then
    facts := federation.session_facts();
    included := facts -> 'scope' -> 'include_teams';
    teams := case
      when included = '"*"' then federation.subject_teams(facts ->> 'subject')
      when jsonb_typeof(included) = 'array' then array(
        select t.team from unnest(federation.subject_teams(facts ->> 'subject')) as t (team) where included ? t.team
      )
      else array[]::text[]
    end;
    ignored := federation.remember('federation.scope_teams', as_of, teams::text);
  end if;
  return teams;
end;
$$;
revoke all on function federation.scope_teams() from public;
grant execute on function federation.scope_teams() to federation_peer;
comment on function federation.scope_teams() is
  'The teams in scope: those that the scope includes and the subject is a member of now; none where the scope is silent.';

create or replace function federation.scope_cap() returns integer
language plpgsql
stable
security definer -- reads the grant
set search_path = ''
as $$
begin
  return federation.scope_most_rows(federation.session_facts() -> 'scope');
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
