-- Guarantees: a certificate is recorded in the transaction that activates its grant, before it leaves.
create or replace function federation.record_certificate(
  serial text, grant_id uuid, fingerprint text, not_before timestamptz, not_after timestamptz, renewed_from text default null,
  enrollment_token text default null
) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  insert into federation.federation_certificates (serial, grant_id, fingerprint, not_before, not_after, renewed_from, authority_id, enrollment)
  select
    serial, grant_id, fingerprint, not_before, not_after, renewed_from, federation.signing_authority(),
    (
      select coalesce(t.again_of, t.token_hash) from federation.federation_enrollment_tokens t
      where t.token_hash = sha256(convert_to(enrollment_token, 'UTF8'))
    );
$$;
revoke all on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text, text) from public;
grant execute on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text, text) to federation_gateway;
comment on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text, text) is
  'Records a client certificate that was signed for a grant by the authority that signs now, with the one that it was renewed from, which is live, or the token that was '
  'spent for it. Raises MF031.';

create or replace function federation.list_certificates(grant_id uuid default null)
returns table (
  serial text, grant_id uuid, subject_user_id text, peer_host text, not_before timestamptz, not_after timestamptz, issued_at timestamptz,
  renewed_from text, revoked_at timestamptz, revocation_reason text
)
language sql
stable
security definer -- administrators read certificates through this function only
set search_path = ''
as $$
  select
    c.serial, c.grant_id, g.subject_user_id, g.peer_host, c.not_before, c.not_after, c.issued_at, c.renewed_from, c.revoked_at, c.revocation_reason
  from federation.federation_certificates c
  join federation.federation_grants g on g.id = c.grant_id
  where $1 is null or c.grant_id = $1
  order by c.issued_at desc, c.serial;
$$;
revoke all on function federation.list_certificates(uuid) from public;
grant execute on function federation.list_certificates(uuid) to federation_admin;
comment on function federation.list_certificates(uuid) is 'Every certificate, or those of one grant, newest first.';

create or replace function federation.revoked_certificates()
returns table (serial text, revoked_at timestamptz, revocation_reason text, grant_id uuid, not_after timestamptz)
language sql
stable
security definer -- the gateway has no right on the tables
set search_path = ''
as $$
  select c.serial, c.revoked_at, c.revocation_reason, c.grant_id, c.not_after
  from federation.federation_certificates c
  where c.revoked_at is not null and c.not_after > now()
  union all
  select r.serial, r.revoked_at, r.revocation_reason, null, r.not_after
  from federation.federation_restored_revocations r
  where r.not_after > now()
  order by 2, 1;
$$;
revoke all on function federation.revoked_certificates() from public;
grant execute on function federation.revoked_certificates() to federation_gateway;
comment on function federation.revoked_certificates() is
  'The revoked certificates that have not ended: what a CRL lists (RFC 5280 §5). Those that a restored database only knows to be revoked have no grant.';
