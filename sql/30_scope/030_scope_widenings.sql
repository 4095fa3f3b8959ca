-- Guarantees: a scope that lets out anything more than another, of the rows of today or of any other, is told as such; where it is in doubt, too.
create or replace function federation.scope_widenings(before jsonb, after jsonb) returns text[]
language sql
immutable
set search_path = ''
as $$
  select array_remove(
    array[
      case
        when exists (
          select from jsonb_array_elements_text(after -> 'resources') as r (name)
          where federation.scope_names(after, r.name) and not federation.scope_names(before, r.name)
        ) then 'resources'
      end,
      case
        when coalesce(before -> 'include_teams' = '"*"', false) then null
        when after -> 'include_teams' = '"*"' then 'include_teams'
        when exists (
          select from jsonb_array_elements_text(coalesce(after -> 'include_teams', '[]')) as t (team)
          where not coalesce(before -> 'include_teams' ? t.team, false)
        ) then 'include_teams'
      end,
      case
        when coalesce((after ->> 'include_personal')::boolean, false) and not coalesce((before ->> 'include_personal')::boolean, false)
          then 'include_personal'
      end,
      case
        when federation.scope_most_rows(after) > federation.scope_most_rows(before)
          then 'max_rows_per_query'
      end
    ],
    null
  );
$$;
revoke all on function federation.scope_widenings(jsonb, jsonb) from public;
comment on function federation.scope_widenings(jsonb, jsonb) is
  'By which keys a well-formed scope lets out more than another could, whatever rows and memberships there are; empty where it is as narrow or narrower.';
