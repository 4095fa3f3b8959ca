-- Guarantees: what is shown of a grant is true now: one whose end has passed shows as expired, before any job has said so.
create or replace function federation.list_grants()
returns table (
  id uuid, subject_user_id text, peer_host text, status text, scope jsonb, created_at timestamptz, created_by text,
  activated_at timestamptz, expires_at timestamptz, ended_at timestamptz, end_reason text,
  certificate_serial text, certificate_not_after timestamptz, requests_per_minute integer, burst integer, audit_mode text
)
language sql
stable
security definer -- administrators read grants through this function only
set search_path = ''
as $$
  select
    g.id, g.subject_user_id, g.peer_host,
    case when g.ended_at is null and g.expires_at <= now() then 'expired' else g.status end,
    g.scope, g.created_at, g.created_by, g.activated_at, g.expires_at, g.ended_at, g.end_reason, c.serial, c.not_after,
    g.requests_per_minute, g.burst, g.audit_mode
  from federation.federation_grants g
  left join lateral (
    select c.serial, c.not_after
    from federation.federation_certificates c
    where c.grant_id = g.id
    order by c.revoked_at is not null, c.issued_at desc, c.not_after desc
    limit 1
  ) c on true
  order by g.created_at desc, g.id;
$$;
revoke all on function federation.list_grants() from public;
grant execute on function federation.list_grants() to federation_admin;
comment on function federation.list_grants() is 'Every grant with its newest certificate, one that is not revoked if there is any; newest first.';
