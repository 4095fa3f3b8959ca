-- Guarantees: a grant ends together with its certificates and tokens, in one transaction; what has ended is left as it is. Its row is locked first:
-- whatever changes certificates or tokens of a grant takes the same order, or waits for none of them, so that no two of these deadlock.
create or replace function federation.end_grant(grant_id uuid, status text, reason text) returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
  update federation.federation_grants g
  set status = end_grant.status, ended_at = now(), end_reason = reason
  where g.id = end_grant.grant_id and g.ended_at is null;
  if not found then
    return false;
  end if;
  update federation.federation_certificates c
  set revoked_at = now(), revocation_reason = case end_grant.status when 'revoked' then 'privilegeWithdrawn' else 'cessationOfOperation' end
  where c.grant_id = end_grant.grant_id and c.revoked_at is null;
  delete from federation.federation_enrollment_tokens t where t.grant_id = end_grant.grant_id and t.used_at is null;
  perform federation.resolve_alert('RENEWAL_CONFLICT', federation.grant_alert_subject(end_grant.grant_id));
  return true;
end;
$$;
revoke all on function federation.end_grant(uuid, text, text) from public;
comment on function federation.end_grant(uuid, text, text) is 'Ends a grant as revoked or expired; false where it had ended before.';

create or replace function federation.expire_grants() returns table (grant_id uuid, subject_user_id text, peer_host text, expires_at timestamptz)
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
#variable_conflict use_column
declare
  due record;
begin
  -- Who comes second at once leaves what the first is at.
  for due in
    select g.* from federation.federation_grants g
    where g.ended_at is null and g.expires_at <= now()
    order by g.id
    for no key update skip locked
  loop
    if federation.end_grant(due.id, 'expired', 'its time was up') then
      return query select due.id, due.subject_user_id, due.peer_host, due.expires_at;
    end if;
  end loop;
end;
$$;
revoke all on function federation.expire_grants() from public;
grant execute on function federation.expire_grants() to federation_worker, federation_admin;
comment on function federation.expire_grants() is
  'Ends every grant whose time is up, with its certificates, and returns them. None of them serves before, either: this makes it lasting and puts it on the CRL.';
