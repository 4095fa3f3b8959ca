-- Guarantees: administrators read the log and its archive as one, newest first, page by page.
create or replace function federation.list_audit(
  grant_id text default null,
  limit_rows integer default 100,
  subject_user_id text default null,
  verb text default null,
  outcome text default null,
  since timestamptz default null,
  until timestamptz default null,
  before_id bigint default null
) returns setof federation.federation_audit_log
language sql
stable
security definer -- administrators read the log through this function only
set search_path = ''
as $$
  select a.*
  from (
    select l.* from federation.federation_audit_log l
    union all
    select h.* from federation.federation_audit_archive h
  ) a
  where (list_audit.grant_id is null or a.grant_id = list_audit.grant_id)
    and (list_audit.subject_user_id is null or a.subject_user_id = list_audit.subject_user_id)
    and (list_audit.verb is null or a.verb = list_audit.verb)
    and (list_audit.outcome is null or a.outcome = list_audit.outcome)
    and (list_audit.since is null or a.at >= list_audit.since)
    and (list_audit.until is null or a.at < list_audit.until)
    and (list_audit.before_id is null or a.id < list_audit.before_id)
  order by a.id desc
  limit least(greatest(limit_rows, 1), 10000);
$$;
revoke all on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint) from public;
grant execute on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint) to federation_admin;
comment on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint) is
  'Audit rows, newest first: of one grant, subject, verb, outcome or time, and those before an id for the next page.';
