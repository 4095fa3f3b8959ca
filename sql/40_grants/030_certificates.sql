-- Guarantees: a certificate is recorded in the transaction that activates its grant, before it leaves.
create or replace function federation.record_certificate(
  serial text, grant_id uuid, fingerprint text, not_before timestamptz, not_after timestamptz, renewed_from text default null
) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  insert into federation.federation_certificates (serial, grant_id, fingerprint, not_before, not_after, renewed_from, authority_id)
  select serial, grant_id, fingerprint, not_before, not_after, renewed_from, (
    select a.id from federation.federation_authorities a where a.retired_at is null order by a.created_at desc, a.id limit 1
  );
$$;
revoke all on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text) from public;
grant execute on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text) to federation_gateway;
comment on function federation.record_certificate(text, uuid, text, timestamptz, timestamptz, text) is
  'Records a client certificate that was signed for a grant by the authority that signs now, and the one that it was renewed from.';

create or replace function federation.revoked_certificates()
returns table (serial text, grant_id uuid, revoked_at timestamptz, revocation_reason text, not_after timestamptz)
language sql
stable
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  select c.serial, c.grant_id, c.revoked_at, c.revocation_reason, c.not_after
  from federation.federation_certificates c
  where c.revoked_at is not null and c.not_after > now()
  order by c.revoked_at, c.serial;
$$;
revoke all on function federation.revoked_certificates() from public;
grant execute on function federation.revoked_certificates() to federation_gateway;
comment on function federation.revoked_certificates() is 'The revoked certificates that have not ended: what a CRL lists (RFC 5280 §5).';

create or replace function federation.revocation_epoch() returns bigint
language sql
stable
security definer -- the gateway has no right on the sequence
set search_path = ''
as $$
  select case when e.is_called then e.last_value else 0 end from federation.federation_revocation_epoch e;
$$;
revoke all on function federation.revocation_epoch() from public;
grant execute on function federation.revocation_epoch() to federation_gateway;
comment on function federation.revocation_epoch() is 'How many certificates have been revoked, ever.';
