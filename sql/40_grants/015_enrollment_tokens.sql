-- Guarantees: a token is good once, for 15 minutes, for one grant that is pending or active; the database keeps its SHA-256 only; used, expired
-- and unknown tokens are never told apart. Whoever enrolls again supersedes every certificate before.
create or replace function federation.random_token() returns text
language sql
volatile
set search_path = ''
as $$
  select translate(
    encode(
      sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
      'base64'
    ),
    '+/=', '-_'
  );
$$;
revoke all on function federation.random_token() from public;
comment on function federation.random_token() is 'A secret of 256 bits from 366 random ones, base64url, 43 characters.';

create or replace function federation.create_enrollment_token(grant_id uuid)
returns table (enrollment_token text, token_expires_at timestamptz, enrollment_url text)
language plpgsql
volatile
security definer -- administrators write tokens through this function only
set search_path = ''
as $$
#variable_conflict use_column
declare
  the_grant federation.federation_grants;
begin
  select g.* into the_grant from federation.federation_grants g where g.id = create_enrollment_token.grant_id for update;
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  if the_grant.status not in ('pending', 'active') or the_grant.expires_at <= now() then
    raise exception 'Only a grant that is pending or active takes an enrollment token.' using errcode = 'MF031';
  end if;
  if not coalesce(federation.subject_exists(the_grant.subject_user_id), false) then
    raise exception 'The subject of the grant is not there any more.' using errcode = 'MF021', hint = 'Revoke the grant.';
  end if;
  delete from federation.federation_enrollment_tokens t where t.grant_id = the_grant.id and t.used_at is null;
  enrollment_token := federation.random_token();
  insert into federation.federation_enrollment_tokens (token_hash, grant_id, expires_at)
  values (sha256(convert_to(enrollment_token, 'UTF8')), the_grant.id, now() + interval '15 minutes')
  returning expires_at into token_expires_at;
  -- The fingerprint stands in the fragment: it tells the reader which root to expect, and is never sent.
  select url.value || '/enroll/' || enrollment_token || '#sha256=' || root.fingerprint
  into enrollment_url
  from federation.federation_settings url, federation.federation_authorities root
  where url.name = 'public_url' and root.id = federation.pinned_authority();
  return next;
end;
$$;
revoke all on function federation.create_enrollment_token(uuid) from public;
grant execute on function federation.create_enrollment_token(uuid) to federation_admin;
comment on function federation.create_enrollment_token(uuid) is
  'A new one-time token for a grant that is pending or, its certificate having ended, active, and the URL that carries it; an earlier one that was not used ends. '
  'Raises MF011, MF021, MF031.';

create or replace function federation.redeem_enrollment_token(enrollment_token text)
returns table (grant_id uuid, subject_user_id text, peer_host text)
language plpgsql
volatile
security definer -- the gateway has no right on tokens or grants
set search_path = ''
as $$
#variable_conflict use_column
declare
  hash constant bytea := sha256(convert_to(redeem_enrollment_token.enrollment_token, 'UTF8'));
begin
  -- In the order of federation.end_grant: the grant, then what belongs to it.
  select g.id, g.subject_user_id, g.peer_host into grant_id, subject_user_id, peer_host
  from federation.federation_grants g
  where g.id = (select t.grant_id from federation.federation_enrollment_tokens t where t.token_hash = hash)
    and g.status in ('pending', 'active') and (g.expires_at is null or g.expires_at > now())
  for no key update;
  if found then
    update federation.federation_enrollment_tokens t
    set used_at = now()
    where t.token_hash = hash and t.used_at is null and t.expires_at > clock_timestamp()
      -- Again: who deleted the subject while the grant was being created saw no grant to end.
      and federation.subject_exists(redeem_enrollment_token.subject_user_id);
  end if;
  if not found then
    raise exception 'The enrollment token has been used, has expired or is not one.' using errcode = 'MF030';
  end if;
  update federation.federation_grants g
  set status = 'active', activated_at = coalesce(g.activated_at, now())
  where g.id = redeem_enrollment_token.grant_id;
  update federation.federation_certificates c
  set revoked_at = now(), revocation_reason = 'superseded'
  where c.grant_id = redeem_enrollment_token.grant_id and c.revoked_at is null;
  perform federation.resolve_alert('RENEWAL_CONFLICT', federation.grant_alert_subject(redeem_enrollment_token.grant_id));
  return next;
end;
$$;
revoke all on function federation.redeem_enrollment_token(text) from public;
grant execute on function federation.redeem_enrollment_token(text) to federation_gateway;
comment on function federation.redeem_enrollment_token(text) is
  'Spends a token, activates its grant and supersedes the certificates before, in the transaction that records the new one. Raises MF030.';
