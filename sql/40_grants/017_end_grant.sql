-- Guarantees: a grant ends together with its certificates and tokens, in one transaction; what has ended is left as it is.
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
  perform pg_notify('federation_grants', jsonb_build_object('grant', grant_id, 'status', status)::text);
  return true;
end;
$$;
revoke all on function federation.end_grant(uuid, text, text) from public;
comment on function federation.end_grant(uuid, text, text) is 'Ends a grant as revoked or expired; false where it had ended before.';
