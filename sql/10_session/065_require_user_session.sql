-- Guarantees: what is sent along with the beginning of a local user's session yields nothing where that failed and it runs outside of a transaction, as the
-- login itself, whom no policy binds.
create or replace function federation.require_user_session() returns void
language plpgsql
stable
security definer -- reads current_session
set search_path = ''
as $$
begin
  if not exists (select from federation.current_session() as s (session) where s.session ->> 'kind' = 'user') then
    raise exception 'No session of a local user is open.' using errcode = 'MF021';
  end if;
end;
$$;
revoke all on function federation.require_user_session() from public;
grant execute on function federation.require_user_session() to federation_user;
comment on function federation.require_user_session() is 'Raises MF021 unless this transaction has the session of a local user.';
