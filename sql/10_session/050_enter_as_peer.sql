-- Guarantees: a session opens only for a grant that is active now, for the subject the grant names, by the very
-- certificate that was recorded for it, and while that subject is there. What it checks of the state of both is checked again by every policy; here it
-- yields the code that the caller is told.
-- Relies on: _100_lifecycle, which lets no fingerprint change, so that a session goes on by the serial.

-- Of an earlier release: who has a root's key can sign another certificate of the same grant and serial.
drop function if exists federation.enter_as_peer(uuid, text, text);

create or replace function federation.enter_as_peer(grant_id uuid, subject text, serial text, fingerprint text) returns void
language plpgsql
volatile
security definer -- reads grants and certificates, which the gateway's role cannot
set search_path = ''
as $$
declare
  the_grant federation.federation_grants;
  certificate federation.federation_certificates;
  facts jsonb;
  ignored text;
begin
  -- Almost always all is well, and what the verb will go by says so. Where it is not, the session goes with what is raised.
  ignored := federation.open_session(jsonb_build_object('kind', 'peer', 'grant', grant_id, 'serial', serial));
  ignored := federation.assume_identity(subject);
  facts := federation.session_facts();
  if (facts ->> 'subject' = subject and facts ->> 'fingerprint' = fingerprint and federation.subject_exists(subject)) is not true then
    select g.* into the_grant from federation.federation_grants g where g.id = enter_as_peer.grant_id;
    if not found then
      raise exception 'No such grant.' using errcode = 'MF001';
    end if;
    if the_grant.subject_user_id is distinct from subject then
      raise exception 'The certificate speaks for another subject than its grant.' using errcode = 'MF002';
    end if;
    perform federation.require_status_active(the_grant.status, the_grant.expires_at);
    -- A subject that goes takes its grants along, by trigger; but not one whose creation it could not see yet, nor where a partition was dropped.
    if federation.subject_exists(subject) is not true then
      raise exception 'The subject of the grant is not there.' using errcode = 'MF021';
    end if;
    select c.* into certificate
    from federation.federation_certificates c
    where c.serial = enter_as_peer.serial and c.grant_id = the_grant.id and c.fingerprint = enter_as_peer.fingerprint;
    if not found and not exists (select from federation.federation_restored_revocations r where r.serial = enter_as_peer.serial) then
      raise exception 'The certificate was not issued for this grant.' using errcode = 'MF401';
    end if;
    -- Of the very certificate that was found: another one may have the serial.
    if not exists (select from federation.good_certificates c where c.serial = certificate.serial) then
      raise exception 'The certificate has been revoked or has ended.' using errcode = 'MF007';
    end if;
  end if;
end;
$$;
revoke all on function federation.enter_as_peer(uuid, text, text, text) from public;
grant execute on function federation.enter_as_peer(uuid, text, text, text) to federation_gateway;
comment on function federation.enter_as_peer(uuid, text, text, text) is
  'Opens a peer''s session for the rest of the transaction, by the serial and the SHA-256 of its certificate. Raises MF001 to MF007, MF021 and MF401.';
