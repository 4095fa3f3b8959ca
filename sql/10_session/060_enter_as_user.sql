-- Guarantees: a local user's session carries that user's native rights and no grant; a user who is gone has none.
-- Relies on: federation.subject_exists, which reads the bound users table.
create or replace function federation.enter_as_user(user_id text) returns void
language plpgsql
volatile
security definer -- makes the session's code with a key that the gateway's role cannot read
set search_path = ''
as $$
begin
  if not coalesce(federation.subject_exists(user_id), false) then
    raise exception 'There is no such user.' using errcode = 'MF021';
  end if;
  perform federation.open_session(jsonb_build_object('kind', 'user', 'user', user_id));
  perform federation.assume_identity(user_id);
end;
$$;
revoke all on function federation.enter_as_user(text) from public;
grant execute on function federation.enter_as_user(text) to federation_gateway;
comment on function federation.enter_as_user(text) is 'Opens a local user''s session for the rest of the transaction. Raises MF021.';
