-- Guarantees: nothing is signed for a token that would not be taken, and looking holds up nobody: no lock is held while an authority signs.
-- Relies on: federation.redeem_enrollment_token, which asks all of it again in the transaction that records what was signed.
create or replace function federation.begin_enrollment(enrollment_token text) returns table (grant_id uuid, subject_user_id text)
language plpgsql
stable
security definer -- the gateway has no right on tokens or grants
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select g.id, g.subject_user_id
  from federation.federation_enrollment_tokens t
  join federation.federation_grants g on g.id = t.grant_id
  where t.token_hash = sha256(convert_to(begin_enrollment.enrollment_token, 'UTF8'))
    and t.used_at is null and t.expires_at > clock_timestamp()
    and g.status in ('pending', 'active') and (g.expires_at is null or g.expires_at > now())
    and federation.subject_exists(g.subject_user_id);
  if not found then
    raise exception 'The enrollment token has been used, has expired or is not one.' using errcode = 'MF030';
  end if;
end;
$$;
revoke all on function federation.begin_enrollment(text) from public;
grant execute on function federation.begin_enrollment(text) to federation_gateway;
comment on function federation.begin_enrollment(text) is
  'The grant that a token would enroll for now: who a certificate is to be signed for before the token is spent. Raises MF030.';
