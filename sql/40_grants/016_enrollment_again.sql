-- Guarantees: whoever spent an enrollment token may do so again by the same key, and nobody by another, until the token would have expired, the
-- grant has ended or it got another token: an answer that was lost on its way is not the end of an enrollment.
-- Relies on: federation.redeem_enrollment_token, to which this is a token like any other.
create or replace function federation.allow_enrollment_again(spent_token text, token_again text) returns void
language sql
volatile
security definer -- the gateway has no right on tokens
set search_path = ''
as $$
  insert into federation.federation_enrollment_tokens as t (token_hash, grant_id, expires_at, again_of)
  select sha256(convert_to(token_again, 'UTF8')), s.grant_id, s.expires_at, coalesce(s.again_of, s.token_hash)
  from federation.federation_enrollment_tokens s
  where s.token_hash = sha256(convert_to(spent_token, 'UTF8'))
    and s.used_at is not null
    and s.expires_at > clock_timestamp()
    -- Each supersedes the certificate before, and so makes the revocation list longer.
    and (
      select count(*) from federation.federation_certificates c
      where c.grant_id = s.grant_id and c.enrollment = coalesce(s.again_of, s.token_hash)
    ) < 10
  on conflict on constraint federation_enrollment_tokens_pkey do update set used_at = null;
$$;
revoke all on function federation.allow_enrollment_again(text, text) from public;
grant execute on function federation.allow_enrollment_again(text, text) to federation_gateway;
comment on function federation.allow_enrollment_again(text, text) is
  'Makes a token of a spent one, in the transaction that spent it; the caller makes it of the token and of the key that was certified. Ten times at most.';
