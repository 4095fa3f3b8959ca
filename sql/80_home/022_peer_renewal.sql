-- Guarantees: of several workers one renews a peer's certificate, and one that was overtaken stores nothing. An attempt counts as failed until
-- it has succeeded, so that one that was killed is one that failed.
create or replace function federation.renewable_peers()
returns table (
  id uuid, owner_user_id text, host text, federation_url text, grant_id uuid, roots_der bytea[], certificate_chain_der bytea[],
  certificate_serial text, certificate_not_after timestamptz, sealed_key bytea, renewal_failures integer, renewal_failed_at timestamptz,
  renewal_failure_code text, attempt text, checked_at timestamptz
)
language sql
stable
security definer -- administrators have no right on the table
set search_path = ''
as $$
  select
    p.id, p.owner_user_id, p.host, p.federation_url, p.grant_id, array[p.root_certificate_der] || p.trusted_roots_der,
    p.certificate_chain_der, p.certificate_serial, p.certificate_not_after, p.sealed_key, p.renewal_failures, p.renewal_failed_at,
    p.renewal_failure_code, extract(epoch from p.renewal_failed_at)::text, clock_timestamp()
  from federation.federation_peers p
  where p.state <> 'revoked';
$$;
revoke all on function federation.renewable_peers() from public;
grant execute on function federation.renewable_peers() to federation_worker, federation_admin;
comment on function federation.renewable_peers() is
  'Peers whose grant has not ended, with their sealed keys, the mark of their last attempt and the time by the database, which says what is due.';

create or replace function federation.renewal_subject(host text, owner_user_id text) returns text
language sql
immutable
set search_path = ''
as $$
  select host || ' of ' || owner_user_id;
$$;
revoke all on function federation.renewal_subject(text, text) from public;
comment on function federation.renewal_subject(text, text) is 'What alerts about the certificate for a peer are about.';

create or replace function federation.resolve_renewal_alerts(host text, owner_user_id text) returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform federation.resolve_alert('RENEWAL_FAILED', federation.renewal_subject(host, owner_user_id));
  perform federation.resolve_alert('CERTIFICATE_EXPIRED', federation.renewal_subject(host, owner_user_id));
end;
$$;
revoke all on function federation.resolve_renewal_alerts(text, text) from public;
comment on function federation.resolve_renewal_alerts(text, text) is 'The certificate for a peer is good again, or is needed no more.';

create or replace function federation.begin_peer_renewal(peer_id uuid, serial text, last_attempt text) returns text
language sql
volatile
security definer -- administrators have no right on the table
set search_path = ''
as $$
  update federation.federation_peers p
  set renewal_failures = p.renewal_failures + 1, renewal_failed_at = clock_timestamp(), renewal_failure_code = null
  where p.id = peer_id
    and p.certificate_serial = serial
    and extract(epoch from p.renewal_failed_at)::text is not distinct from last_attempt
    and p.state <> 'revoked'
  returning extract(epoch from p.renewal_failed_at)::text;
$$;
revoke all on function federation.begin_peer_renewal(uuid, text, text) from public;
grant execute on function federation.begin_peer_renewal(uuid, text, text) to federation_worker, federation_admin;
comment on function federation.begin_peer_renewal(uuid, text, text) is
  'Begins an attempt where nobody began one since last_attempt (null: none that failed). Returns its mark, by which only it can go on; null where another did.';

create or replace function federation.replace_peer_certificate(
  peer_id uuid, old_serial text, attempt text, certificate_chain_der bytea[], certificate_serial text, certificate_not_after timestamptz,
  sealed_key bytea, roots_der bytea[]
) returns boolean
language plpgsql
volatile
security definer -- administrators write peers through these functions only
set search_path = ''
as $$
begin
  update federation.federation_peers p
  set certificate_chain_der = replace_peer_certificate.certificate_chain_der, certificate_serial = replace_peer_certificate.certificate_serial,
    certificate_not_after = replace_peer_certificate.certificate_not_after, sealed_key = replace_peer_certificate.sealed_key,
    root_certificate_der = coalesce(roots_der[1], p.root_certificate_der), trusted_roots_der = coalesce(roots_der[2:], '{}'), updated_at = now()
  where p.id = peer_id and p.certificate_serial = old_serial and extract(epoch from p.renewal_failed_at)::text = attempt and p.state <> 'revoked';
  return found;
end;
$$;
revoke all on function federation.replace_peer_certificate(uuid, text, text, bytea[], text, timestamptz, bytea, bytea[]) from public;
grant execute on function federation.replace_peer_certificate(uuid, text, text, bytea[], text, timestamptz, bytea, bytea[]) to federation_worker, federation_admin;
comment on function federation.replace_peer_certificate(uuid, text, text, bytea[], text, timestamptz, bytea, bytea[]) is
  'Puts a renewed certificate, its sealed key and the roots to be trusted from now on in the place of the old; false where another worker has gone on since, and nothing changes.';

create or replace function federation.end_peer_renewal(peer_id uuid, attempt text, failure_code text default null) returns boolean
language plpgsql
volatile
security definer -- administrators write peers through these functions only
set search_path = ''
as $$
declare
  peer federation.federation_peers;
begin
  update federation.federation_peers p
  set renewal_failures = case when failure_code is null then 0 else p.renewal_failures end,
    renewal_failed_at = case when failure_code is null then null else p.renewal_failed_at end,
    renewal_failure_code = failure_code,
    state = case
      when failure_code is null then 'active'
      when failure_code in ('GRANT_REVOKED', 'GRANT_EXPIRED', 'CERTIFICATE_REVOKED') then 'revoked'
      else 'degraded'
    end,
    ended_because = case when failure_code in ('GRANT_REVOKED', 'GRANT_EXPIRED', 'CERTIFICATE_REVOKED') then failure_code end,
    updated_at = now()
  where p.id = peer_id and extract(epoch from p.renewal_failed_at)::text = attempt and p.state <> 'revoked'
  returning p.* into peer;
  if not found then
    return false;
  end if;
  if failure_code is null or peer.state = 'revoked' then
    perform federation.resolve_renewal_alerts(peer.host, peer.owner_user_id);
  elsif failure_code = 'CERTIFICATE_EXPIRED' then
    perform federation.resolve_alert('RENEWAL_FAILED', federation.renewal_subject(peer.host, peer.owner_user_id));
    perform federation.raise_alert(
      'critical', failure_code, federation.renewal_subject(peer.host, peer.owner_user_id),
      'Our certificate has ended. Ask the peer''s administrator for a new enrollment URL: mosaic federation peer add.'
    );
  else
    perform federation.raise_alert(
      'warning', 'RENEWAL_FAILED', federation.renewal_subject(peer.host, peer.owner_user_id),
      'Our certificate could not be renewed (' || failure_code || '); it is good until '
        || to_char(peer.certificate_not_after at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') || ', and the renewal is tried again.'
    );
  end if;
  return true;
end;
$$;
revoke all on function federation.end_peer_renewal(uuid, text, text) from public;
grant execute on function federation.end_peer_renewal(uuid, text, text) to federation_worker, federation_admin;
comment on function federation.end_peer_renewal(uuid, text, text) is
  'Ends an attempt: well, or with the code of what failed, which degrades the peer and raises an alert until one ends well, or ends it. False where it was overtaken.';
