-- Guarantees: the audit log grows and never changes: UPDATE, DELETE and TRUNCATE are refused to every role, federation_owner included.
create or replace function federation.tg_federation_audit_log__append_only() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  raise exception 'The audit log is append-only.' using errcode = 'MF031';
end;
$$;
revoke all on function federation.tg_federation_audit_log__append_only() from public;
comment on function federation.tg_federation_audit_log__append_only() is 'Refuses every change of a row that was written.';

create or replace trigger _100_append_only before update or delete on federation.federation_audit_log
for each row execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _110_append_only_truncate before truncate on federation.federation_audit_log
for each statement execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _110_append_only_truncate before truncate on federation.federation_audit_log_default
for each statement execute function federation.tg_federation_audit_log__append_only();

create or replace function federation.append_audit(entries jsonb) returns integer
language sql
volatile
security definer -- the gateway has no right on the log itself
set search_path = ''
as $$
  with written as (
    insert into federation.federation_audit_log (
      at, grant_id, peer_host, subject_user_id, certificate_serial, verb, resource, query_hash, outcome, code, row_count, bytes_out,
      latency_ms, request_id
    )
    select
      coalesce(e.at, clock_timestamp()), e.grant_id, coalesce(e.peer_host, g.peer_host), e.subject_user_id, e.certificate_serial, e.verb,
      -- A name that is no resource is the caller's text, and the log holds no parameter.
      (select r.name from federation.federation_resources r where r.name = e.resource), decode(e.query_hash, 'hex'), e.outcome, e.code,
      coalesce(e.row_count, 0), coalesce(e.bytes_out, 0), coalesce(e.latency_ms, 0), e.request_id
    from jsonb_to_recordset(entries) as e (
      at timestamptz, grant_id text, peer_host text, subject_user_id text, certificate_serial text, verb text, resource text,
      query_hash text, outcome text, code text, row_count integer, bytes_out bigint, latency_ms real, request_id text
    )
    left join federation.federation_grants g on g.id::text = e.grant_id
    returning 1
  )
  select count(*)::integer from written;
$$;
revoke all on function federation.append_audit(jsonb) from public;
grant execute on function federation.append_audit(jsonb) to federation_gateway;
comment on function federation.append_audit(jsonb) is 'Writes a batch of audit rows in one statement; returns how many.';

create or replace function federation.list_audit(grant_id text default null, limit_rows integer default 100)
returns setof federation.federation_audit_log
language sql
stable
security definer -- administrators read the log through this function only
set search_path = ''
as $$
  select a.*
  from federation.federation_audit_log a
  where list_audit.grant_id is null or a.grant_id = list_audit.grant_id
  order by a.at desc, a.id desc
  limit least(greatest(limit_rows, 1), 10000);
$$;
revoke all on function federation.list_audit(text, integer) from public;
grant execute on function federation.list_audit(text, integer) to federation_admin;
comment on function federation.list_audit(text, integer) is 'The newest audit rows, of one grant or of all.';
