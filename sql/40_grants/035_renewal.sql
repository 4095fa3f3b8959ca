-- Guarantees: a certificate has one successor that its owner confirmed, and at most one more that nobody did; it is recorded while the grant is
-- held and found active, so that a revocation either comes first and refuses it, or finds it. No lock is held while an authority signs.
-- Relies on: federation.enter_as_peer, which refuses a renewal for all that it refuses a verb for.
create or replace function federation.begin_renewal(grant_id uuid, subject text, serial text) returns void
language plpgsql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
declare
  certificate federation.federation_certificates;
begin
  perform federation.enter_as_peer(grant_id, subject, serial);
  select c.* into certificate from federation.federation_certificates c where c.serial = begin_renewal.serial;
  if certificate.renewed_from is not null and certificate.confirmed_at is null then
    raise exception 'The certificate has not been confirmed yet.' using errcode = 'MF031';
  end if;
  -- Who has confirmed a newer one has no use for this: another has its key, or a database was restored from before.
  if exists (select from federation.federation_certificates c where c.renewed_from = begin_renewal.serial and c.confirmed_at is not null) then
    raise exception 'The certificate has been renewed already.' using errcode = 'MF031';
  end if;
end;
$$;
revoke all on function federation.begin_renewal(uuid, text, text) from public;
grant execute on function federation.begin_renewal(uuid, text, text) to federation_gateway;
comment on function federation.begin_renewal(uuid, text, text) is
  'Whether a certificate may be renewed now. Raises MF001 to MF007, MF401, and MF031 where it is unconfirmed or has a confirmed successor.';

create or replace function federation.record_renewal(
  grant_id uuid, subject text, renewed_from text, serial text, fingerprint text, not_before timestamptz, not_after timestamptz
) returns void
language plpgsql
volatile
security definer -- the gateway has no right on the tables
set search_path = ''
as $$
begin
  -- In the order of federation.end_grant; what is asked below is as of now, and stays so until the commit.
  perform from federation.federation_grants g where g.id = record_renewal.grant_id for share;
  perform from federation.federation_certificates c where c.serial = record_renewal.renewed_from for update;
  perform federation.begin_renewal(grant_id, subject, renewed_from);
  update federation.federation_certificates c
  set revoked_at = now(), revocation_reason = 'superseded'
  where c.renewed_from = record_renewal.renewed_from and c.confirmed_at is null and c.revoked_at is null;
  perform federation.record_certificate(serial, grant_id, fingerprint, not_before, not_after, renewed_from);
end;
$$;
revoke all on function federation.record_renewal(uuid, text, text, text, text, timestamptz, timestamptz) from public;
grant execute on function federation.record_renewal(uuid, text, text, text, text, timestamptz, timestamptz) to federation_gateway;
comment on function federation.record_renewal(uuid, text, text, text, text, timestamptz, timestamptz) is
  'Records a renewed certificate, before it leaves; an earlier one of the same origin that was never confirmed is superseded. Raises as begin_renewal.';

create or replace function federation.confirm_certificate(grant_id uuid, subject text, serial text) returns void
language plpgsql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
begin
  -- Either this or another renewal of the same origin comes first.
  perform from federation.federation_certificates c
  where c.serial = (select n.renewed_from from federation.federation_certificates n where n.serial = confirm_certificate.serial)
  for update;
  perform federation.enter_as_peer(grant_id, subject, serial);
  update federation.federation_certificates c
  set confirmed_at = clock_timestamp()
  where c.serial = confirm_certificate.serial and c.renewed_from is not null and c.confirmed_at is null;
end;
$$;
revoke all on function federation.confirm_certificate(uuid, text, text) from public;
grant execute on function federation.confirm_certificate(uuid, text, text) to federation_gateway;
comment on function federation.confirm_certificate(uuid, text, text) is
  'The peer has stored this certificate; said again, or of a first one, it changes nothing. Raises MF001 to MF007 and MF401.';

create or replace function federation.supersede_certificates(grace interval default '1 hour') returns integer
language sql
volatile
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  with superseded as (
    update federation.federation_certificates c
    set revoked_at = now(), revocation_reason = 'superseded'
    where c.revoked_at is null
      and c.not_after > now()
      and exists (select from federation.federation_certificates n where n.renewed_from = c.serial and n.confirmed_at <= clock_timestamp() - grace)
    returning c.serial
  )
  select count(*)::integer from superseded;
$$;
revoke all on function federation.supersede_certificates(interval) from public;
grant execute on function federation.supersede_certificates(interval) to federation_worker, federation_admin;
comment on function federation.supersede_certificates(interval) is
  'Revokes every certificate whose successor was confirmed that long ago; the successor stays. Returns how many.';
