-- Guarantees: a session that this transaction did not open through enter_as_peer or enter_as_user reads as null, whatever
-- the setting says: its code covers the start of the transaction, so it can be neither forged nor carried over.
-- Relies on: federation.mac and session_stamp, which are written out in current_session: it runs several times a query, and a call costs as much as
-- what is called; enter_as_peer and enter_as_user, the only writers.
create or replace function federation.session_stamp() returns text
language sql
stable
set search_path = ''
as $$
  select pg_backend_pid() || ' ' || extract(epoch from transaction_timestamp());
$$;
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
  code text;
  session jsonb;
begin
  if coalesce(payload, '') = '' then
    return null;
  end if;
  select encode(sha256(k.outer_key || sha256(k.inner_key || convert_to(payload, 'UTF8'))), 'hex') into code
  from federation.federation_keys k
  where k.purpose = 'session';
  if left(sealed, 64) is distinct from code then
    return null;
  end if;
  session := payload::jsonb;
  if session ->> 'stamp' is distinct from pg_backend_pid() || ' ' || extract(epoch from transaction_timestamp()) then
    return null;
  end if;
  return session;
end;
$$;
revoke all on function federation.current_session() from public;
comment on function federation.current_session() is
  'The session of this transaction: {"kind": "peer", "grant", "serial"} or {"kind": "user", "user"}; null where none was opened.';
