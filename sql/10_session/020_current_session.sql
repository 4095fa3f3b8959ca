-- Guarantees: a session that this transaction did not open through enter_as_peer or enter_as_user reads as null, whatever
-- the setting says: its code covers the start of the transaction, so it can be neither forged nor carried over.
-- Relies on: federation.mac; enter_as_peer and enter_as_user, the only writers.
create or replace function federation.session_stamp() returns text
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
stable
return pg_backend_pid() || ' ' || extract(epoch from transaction_timestamp());
revoke all on function federation.session_stamp() from public;
comment on function federation.session_stamp() is 'What binds a session to one transaction: the backend and the microsecond in which the transaction began.';

create or replace function federation.current_session() returns jsonb
language plpgsql
stable
security definer -- reads the key of the code, which no other role may see
set search_path = ''
as $$
declare
  sealed constant text := current_setting('federation.session', true);
  payload constant text := substr(sealed, 65);
  session jsonb;
begin
  if coalesce(payload, '') = '' or left(sealed, 64) is distinct from federation.mac('session', payload) then
    return null;
  end if;
  session := payload::jsonb;
  if session ->> 'stamp' is distinct from federation.session_stamp() then
    return null;
  end if;
  return session;
end;
$$;
revoke all on function federation.current_session() from public;
comment on function federation.current_session() is
  'The session of this transaction: {"kind": "peer", "grant", "serial"} or {"kind": "user", "user"}; null where none was opened.';
