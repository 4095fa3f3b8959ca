-- Guarantees: administrators read the whole log; a user the trail of the grants in which they are the subject, without who at this gateway made changes to
-- them, and when somebody looked at what a grant of theirs would let out that was not made.
create or replace function admin_api.audit(
  grant_id text default null, subject text default null, verb text default null, outcome text default null, code text default null,
  since timestamptz default null, until timestamptz default null, before bigint default null, archived boolean default false,
  first integer default 100
) returns jsonb
language plpgsql
stable
security definer -- the pages have no right on the log
set search_path = ''
as $$
declare
  person constant jsonb := federation.require_person();
  administrator constant boolean := (person ->> 'administrator')::boolean;
  most constant integer := least(greatest(coalesce(audit.first, 100), 1), 1000);
begin
  return (
    with found as (
      select l.*
      from federation.list_audit(
        audit.grant_id, most, case when administrator then audit.subject else person ->> 'user' end, audit.verb, audit.outcome, audit.since,
        audit.until, audit.before, coalesce(audit.archived, false), audit.code
      ) l
    )
    select jsonb_build_object(
      'rows', coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', f.id::text, 'at', federation.shown_time(f.at), 'verb', f.verb, 'outcome', f.outcome, 'code', f.code, 'grantId', f.grant_id,
            'subject', f.subject_user_id, 'peerHost', f.peer_host, 'resource', f.resource, 'rowCount', f.row_count, 'bytesOut', f.bytes_out,
            'latencyMs', f.latency_ms, 'certificateSerial', f.certificate_serial, 'requestId', f.request_id, 'traceId', f.trace_id,
            'actor', case when administrator then f.actor end, 'details', case when administrator then f.details end
          )
          order by f.id desc
        ) filter (
          where administrator
            or f.grant_id in (select g.id::text from federation.federation_grants g where g.subject_user_id = person ->> 'user')
            or (f.grant_id is null and f.verb = 'grant.previewed' and f.chain = 'admin' and f.subject_user_id = person ->> 'user')
        ),
        '[]'
      ),
      'next', case when count(*) = most then min(f.id)::text end
    )
    from found f
  );
end;
$$;
revoke all on function admin_api.audit(text, text, text, text, text, timestamptz, timestamptz, bigint, boolean, integer) from public;
grant execute on function admin_api.audit(text, text, text, text, text, timestamptz, timestamptz, bigint, boolean, integer) to federation_pages;
comment on function admin_api.audit(text, text, text, text, text, timestamptz, timestamptz, bigint, boolean, integer) is
  'A page of the audit log, newest first, and the id before which the next begins. A user''s has the trail of the grants in which they are the subject, '
  'and looks at what one that was not made would let out. Raises MF040.';

create or replace function admin_api.audit_exported() returns jsonb
language plpgsql
volatile
security definer -- the pages have no right on the log
set search_path = ''
as $$
begin
  perform federation.require_person();
  perform federation.audit_person('audit.exported');
  return 'true';
end;
$$;
revoke all on function admin_api.audit_exported() from public;
grant execute on function admin_api.audit_exported() to federation_pages;
comment on function admin_api.audit_exported() is 'Says in the log that the person takes a copy of what they may read of it. Raises MF040.';

create or replace function admin_api.audit_verification() returns jsonb
language plpgsql
stable
security definer -- the pages have no right on the log
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return (
    select jsonb_build_object(
      'intact', count(v.fault) = 0,
      'checkedAt', federation.shown_time(statement_timestamp()),
      'chains', coalesce(
        jsonb_agg(
          jsonb_build_object(
            'chain', v.chain, 'entries', v.entries, 'fault', v.fault, 'faultPosition', v.fault_position::text, 'faultId', v.fault_id::text,
            'faultAt', federation.shown_time(v.fault_at)
          )
        ),
        '[]'
      )
    )
    from federation.verify_audit() v
  );
end;
$$;
revoke all on function admin_api.audit_verification() from public;
grant execute on function admin_api.audit_verification() to federation_pages;
comment on function admin_api.audit_verification() is 'Walks every chain of the audit log, as federation.verify_audit. Raises MF040, MF041.';
