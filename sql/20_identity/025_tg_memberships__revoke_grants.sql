-- Guarantees: a grant of team rows only is over, from the same transaction on, when its subject has left the last of the teams that it names.
-- One that names no team which the subject was in stays: it waits for a team that is still to come.
-- Relies on: bind_identity, which puts the trigger on the memberships table; its arguments are the columns of user, team and deletion ('' for none).
create or replace function federation.tg_memberships__revoke_grants() returns trigger
language plpgsql
volatile
security definer -- whoever changes memberships has no right on the grants
set search_path = ''
as $$
declare
  member text;
  team text;
  resting record;
begin
  if tg_op <> 'TRUNCATE' then
    if tg_argv[2] <> '' and coalesce(to_jsonb(old) ->> tg_argv[2], 'false') <> 'false' then
      return null;
    end if;
    execute format('select federation.key_text(($1).%I), federation.key_text(($1).%I)', tg_argv[0], tg_argv[1]) into member, team using old;
  end if;
  -- The lock first, the teams in the next statement: of two transactions that take a team each, the second sees what the first has done.
  for resting in
    select g.id, g.subject_user_id, g.scope
    from federation.federation_grants g
    where g.ended_at is null
      and not coalesce((g.scope ->> 'include_personal')::boolean, false)
      and case tg_op when 'TRUNCATE' then g.scope -> 'include_teams' <> '[]'
        else g.subject_user_id = member and federation.scope_names_team(g.scope, array[team]) end
    order by g.id
    for no key update
  loop
    if not federation.scope_names_team(resting.scope, federation.subject_teams(resting.subject_user_id)) then
      perform federation.end_grant(
        resting.id, 'revoked',
        case when federation.subject_exists(resting.subject_user_id) then 'subject left the last team' else 'subject deleted' end
      );
    end if;
  end loop;
  return null;
end;
$$;
revoke all on function federation.tg_memberships__revoke_grants() from public;
grant execute on function federation.tg_memberships__revoke_grants() to federation_admin;
comment on function federation.tg_memberships__revoke_grants() is 'Revokes every grant of team rows only whose subject is in none of its teams any more.';
