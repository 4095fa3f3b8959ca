-- Guarantees: what a grant may take and how completely it is audited holds on every gateway a tenth of a second after the commit at the latest.
create or replace function federation.set_grant_limits(grant_id uuid, requests_per_minute integer, burst integer) returns void
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
begin
  if requests_per_minute not between 1 and 1000000 then
    raise exception 'A grant may make 1 to 1000000 requests a minute.' using errcode = 'MF012', detail = '{"path": "requests_per_minute"}';
  end if;
  if burst not between 1 and 1000000 then
    raise exception 'A burst is of 1 to 1000000 requests in a second.' using errcode = 'MF012', detail = '{"path": "burst"}';
  end if;
  update federation.federation_grants g
  set requests_per_minute = set_grant_limits.requests_per_minute, burst = set_grant_limits.burst
  where g.id = set_grant_limits.grant_id;
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.set_grant_limits(uuid, integer, integer) from public;
grant execute on function federation.set_grant_limits(uuid, integer, integer) to federation_admin;
comment on function federation.set_grant_limits(uuid, integer, integer) is
  'Requests that a grant may make in a minute (null: what the gateway says), and the most in one second (null: as many). Raises MF011, MF012.';

create or replace function federation.set_grant_audit(grant_id uuid, audit_mode text) returns void
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
begin
  if audit_mode is null or audit_mode not in ('async', 'strict') then
    raise exception 'A grant is audited async or strict.' using errcode = 'MF012', detail = '{"path": "audit_mode"}';
  end if;
  update federation.federation_grants g set audit_mode = set_grant_audit.audit_mode where g.id = set_grant_audit.grant_id;
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.set_grant_audit(uuid, text) from public;
grant execute on function federation.set_grant_audit(uuid, text) to federation_admin;
comment on function federation.set_grant_audit(uuid, text) is
  'strict: an answer leaves only after its audit row is durable. async: what was dropped is said by a gap row. Raises MF011, MF012.';

create or replace function federation.grant_terms(grant_id uuid) returns table (requests_per_minute integer, burst integer, audit_mode text, peer_host text)
language sql
stable
security definer -- the gateway cannot read grants
rows 1
set search_path = ''
as $$
  select g.requests_per_minute, g.burst, g.audit_mode, g.peer_host from federation.federation_grants g where g.id = grant_terms.grant_id;
$$;
revoke all on function federation.grant_terms(uuid) from public;
grant execute on function federation.grant_terms(uuid) to federation_gateway;
comment on function federation.grant_terms(uuid) is 'What a grant may take, how it is audited and whose it is; no row for an unknown grant.';
