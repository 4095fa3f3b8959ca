-- Guarantees: a question about a scope, about a grant that does not serve, or about one that is not made yet, is asked through the door of every peer,
-- enter_as_peer, so that nothing which decides has a second way in for explanations.
-- Relies on: federation.probe, the only caller, which takes the stand-in back before anybody else can see it.
drop function if exists federation.enter_stand_in(uuid, jsonb);
create or replace function federation.enter_stand_in(subject_user_id text, peer_host text, scope jsonb) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  stand_in federation.federation_grants;
  serial constant text := md5(gen_random_uuid()::text);
  fingerprint constant text := serial || serial;
begin
  insert into federation.federation_grants (subject_user_id, peer_host, scope)
  values (enter_stand_in.subject_user_id, enter_stand_in.peer_host, enter_stand_in.scope)
  returning * into strict stand_in;
  update federation.federation_grants g set status = 'active', activated_at = now() where g.id = stand_in.id;
  -- No authority has signed it: a certificate of this serial opens no connection.
  insert into federation.federation_certificates (serial, grant_id, fingerprint, not_before, not_after)
  values (serial, stand_in.id, fingerprint, statement_timestamp() - interval '1 minute', statement_timestamp() + interval '1 day');
  perform federation.enter_as_peer(stand_in.id, stand_in.subject_user_id, serial, fingerprint);
end;
$$;
revoke all on function federation.enter_stand_in(text, text, jsonb) from public;
comment on function federation.enter_stand_in(text, text, jsonb) is
  'Opens the session of an active grant of a subject, a peer and a scope, which nobody has made. What it writes is to be rolled back.';
