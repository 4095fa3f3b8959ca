-- Guarantees: a user who is deleted, marked as deleted, renamed or truncated away is the subject of no live grant, from the same transaction on.
-- Relies on: bind_identity, which puts the trigger on the users table and names its column as the argument; subject_exists, so that a row that
-- only moves to another partition is nobody's end.
create or replace function federation.tg_users__revoke_grants() returns trigger
language plpgsql
volatile
security definer -- whoever deletes a user has no right on the grants
set search_path = ''
as $$
declare
  gone text;
begin
  if tg_op = 'TRUNCATE' then
    perform federation.end_grant(g.id, 'revoked', 'subject deleted')
    from federation.federation_grants g
    where g.ended_at is null and not coalesce(federation.subject_exists(g.subject_user_id), false)
    order by g.id;
    return null;
  end if;
  execute format('select federation.key_text(($1).%I)', tg_argv[0]) into gone using old;
  -- In the order in which others lock several grants.
  perform federation.end_grant(g.id, 'revoked', 'subject deleted')
  from federation.federation_grants g
  where g.subject_user_id = gone and g.ended_at is null and not coalesce(federation.subject_exists(gone), false)
  order by g.id;
  return null;
end;
$$;
revoke all on function federation.tg_users__revoke_grants() from public;
grant execute on function federation.tg_users__revoke_grants() to federation_admin;
comment on function federation.tg_users__revoke_grants() is 'Revokes every live grant whose subject is the row that goes.';
