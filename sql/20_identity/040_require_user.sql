-- Guarantees: an administrator learns whether a user is there, before a one-time token is spent on one who is not.
create or replace function federation.require_user(user_id text) returns void
language plpgsql
stable
security definer -- administrators read the users table through the federation's functions only
set search_path = ''
as $$
begin
  if not exists (select from federation.federation_identity) then
    raise exception 'No users table is bound yet.'
      using errcode = 'MF023', hint = 'Call federation.bind_identity first.';
  end if;
  if not coalesce(federation.subject_exists(user_id), false) then
    raise exception 'There is no such user.' using errcode = 'MF021', detail = '{"path": "user_id"}';
  end if;
end;
$$;
revoke all on function federation.require_user(text) from public;
grant execute on function federation.require_user(text) to federation_admin;
comment on function federation.require_user(text) is 'Raises MF021 unless the user exists, MF023 where no users table is bound.';
