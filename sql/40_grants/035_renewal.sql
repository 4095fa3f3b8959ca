-- Guarantees: a certificate has one successor that its owner confirmed, and at most one more that nobody did; it is recorded while the grant is
-- held and found active, so that a revocation either comes first and refuses it, or finds it. No lock is held while an authority signs. What a
-- peer can put on the CRL by renewing is bounded.
-- Relies on: federation.enter_as_peer, which refuses a renewal for all that it refuses a verb for.

-- Of an earlier release, which did not ask which certificate it was that had the serial.
drop function if exists federation.begin_renewal(uuid, text, text);
drop function if exists federation.record_renewal(uuid, text, text, text, text, timestamptz, timestamptz);
drop function if exists federation.confirm_certificate(uuid, text, text);

create or replace function federation.begin_renewal(grant_id uuid, subject text, serial text, fingerprint text) returns void
language plpgsql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
declare
  certificate federation.federation_certificates;
  -- Each renewal ends as an entry of the CRL, there until its certificate would have ended: 24 a day, or in a life that is shorter, and so never more
  -- than 24 for each day of a certificate's life. A peer that means well needs one; one whose answers are all lost asks 12 times in a day by its
  -- back-off (src/client/renewal-due.ts: a minute, doubled up to six hours or a twelfth of the life), and less often in a life of a day or an hour.
  most constant integer := 24;
  span interval;
  counted_until timestamptz;
begin
  perform federation.enter_as_peer(grant_id, subject, serial, fingerprint);
  select c.* into certificate from federation.federation_certificates c where c.serial = begin_renewal.serial;
  if certificate.renewed_from is not null and certificate.confirmed_at is null then
    raise exception 'The certificate has not been confirmed yet.' using errcode = 'MF031';
  end if;
  -- Who has confirmed a newer one has no use for this: another has its key, or a database was restored from before.
  if exists (select from federation.federation_certificates c where c.renewed_from = begin_renewal.serial and c.confirmed_at is not null) then
    raise exception 'The certificate has been renewed already.' using errcode = 'MF031';
  end if;
  span := least(certificate.not_after - certificate.not_before, interval '1 day');
  select c.issued_at + span into counted_until
  from federation.federation_certificates c
  where c.grant_id = begin_renewal.grant_id and c.renewed_from is not null and c.issued_at > clock_timestamp() - span
  order by c.issued_at desc
  offset most - 1
  limit 1;
  if found then
    raise exception 'The grant has been given as many certificates as it may have for now.'
      using errcode = 'MF014',
        detail = jsonb_build_object('retryAfter', greatest(1, ceil(extract(epoch from counted_until - clock_timestamp()))::integer))::text;
  end if;
end;
$$;
revoke all on function federation.begin_renewal(uuid, text, text, text) from public;
grant execute on function federation.begin_renewal(uuid, text, text, text) to federation_gateway;
comment on function federation.begin_renewal(uuid, text, text, text) is
  'Whether a certificate, of this serial and SHA-256, may be renewed now. Raises MF001 to MF007, MF021, MF401, MF031 where it is unconfirmed or has a confirmed successor, '
  'and MF014 where the grant was given 24 by renewal within a day, or within the certificate''s life where that is shorter.';

create or replace function federation.alert_renewal_conflict(grant_id uuid, serial text) returns void
language sql
volatile
security definer -- the gateway has no right on the tables
set search_path = ''
as $$
  select federation.raise_alert(
    'critical', 'RENEWAL_CONFLICT', federation.grant_alert_subject(g.id),
    g.peer_host || ', for ' || g.subject_user_id || ': a certificate was to be renewed that has been renewed before. Its key is in other hands, too, or the peer''s '
      || 'database was restored. Ask its administrator; revoke the line (mosaic federation certificate revoke ' || c.serial
      || ') and let the peer enroll again (mosaic federation grant enroll ' || g.id || ').'
  )
  from federation.federation_certificates c
  join federation.federation_grants g on g.id = c.grant_id
  where c.serial = alert_renewal_conflict.serial and g.id = alert_renewal_conflict.grant_id and g.ended_at is null
    and exists (select from federation.federation_certificates n where n.renewed_from = c.serial and n.confirmed_at is not null);
$$;
revoke all on function federation.alert_renewal_conflict(uuid, text) from public;
grant execute on function federation.alert_renewal_conflict(uuid, text) to federation_gateway;
comment on function federation.alert_renewal_conflict(uuid, text) is
  'Raises the alert RENEWAL_CONFLICT where a certificate that was to be renewed has a confirmed successor; the refusal itself is rolled back with all that it wrote.';

create or replace function federation.grant_alert_subject(grant_id uuid) returns text
language sql
immutable
set search_path = ''
as $$
  select 'grant ' || grant_id;
$$;
revoke all on function federation.grant_alert_subject(uuid) from public;
comment on function federation.grant_alert_subject(uuid) is 'What alerts about a grant are about. They are over when it ends, or its peer enrolls again.';

create or replace function federation.record_renewal(
  grant_id uuid, subject text, renewed_from text, renewed_from_fingerprint text, serial text, fingerprint text, not_before timestamptz,
  not_after timestamptz
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
  perform federation.begin_renewal(grant_id, subject, renewed_from, renewed_from_fingerprint);
  update federation.federation_certificates c
  set revoked_at = now(), revocation_reason = 'superseded'
  where c.renewed_from = record_renewal.renewed_from and c.confirmed_at is null and c.revoked_at is null;
  perform federation.record_certificate(serial, grant_id, fingerprint, not_before, not_after, renewed_from);
end;
$$;
revoke all on function federation.record_renewal(uuid, text, text, text, text, text, timestamptz, timestamptz) from public;
grant execute on function federation.record_renewal(uuid, text, text, text, text, text, timestamptz, timestamptz) to federation_gateway;
comment on function federation.record_renewal(uuid, text, text, text, text, text, timestamptz, timestamptz) is
  'Records a renewed certificate, before it leaves; an earlier one of the same origin that was never confirmed is superseded. Raises as begin_renewal.';

create or replace function federation.confirm_certificate(grant_id uuid, subject text, serial text, fingerprint text) returns void
language plpgsql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
begin
  -- In the order of federation.end_grant.
  perform from federation.federation_grants g where g.id = confirm_certificate.grant_id for share;
  -- Either this or another renewal of the same origin comes first.
  perform from federation.federation_certificates c
  where c.serial = (select n.renewed_from from federation.federation_certificates n where n.serial = confirm_certificate.serial)
  for update;
  perform federation.enter_as_peer(grant_id, subject, serial, fingerprint);
  update federation.federation_certificates c
  set confirmed_at = clock_timestamp()
  where c.serial = confirm_certificate.serial and c.renewed_from is not null and c.confirmed_at is null;
end;
$$;
revoke all on function federation.confirm_certificate(uuid, text, text, text) from public;
grant execute on function federation.confirm_certificate(uuid, text, text, text) to federation_gateway;
comment on function federation.confirm_certificate(uuid, text, text, text) is
  'The peer has stored this certificate; said again, or of a first one, it changes nothing. Raises MF001 to MF007, MF021 and MF401.';

create or replace function federation.supersede_certificates(grace interval default federation.certificate_overlap()) returns integer
language sql
volatile
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  with due as (
    select c.serial
    from federation.federation_certificates c
    where c.revoked_at is null
      and c.not_after > now()
      and exists (select from federation.federation_certificates n where n.renewed_from = c.serial and n.confirmed_at <= clock_timestamp() - grace)
    order by c.serial
    -- It holds certificates of many grants and none of these, so it waits for nobody; what somebody is at is for the next run.
    for no key update skip locked
  ), superseded as (
    update federation.federation_certificates c
    set revoked_at = now(), revocation_reason = 'superseded'
    from due
    where c.serial = due.serial
    returning c.serial
  )
  select count(*)::integer from superseded;
$$;
revoke all on function federation.supersede_certificates(interval) from public;
grant execute on function federation.supersede_certificates(interval) to federation_worker, federation_admin;
comment on function federation.supersede_certificates(interval) is
  'Revokes every certificate whose successor was confirmed that long ago, but those that another transaction is at; the successor stays. Returns how many. '
  'None of them serves any more after federation.certificate_overlap, either: this puts them on the CRL.';
