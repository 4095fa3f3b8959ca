-- Guarantees: administrators read the log, and its archive where they ask for it, newest first, page by page; a local user reads what was
-- asked for on their own behalf, and nothing else.
create or replace function federation.list_audit(
  grant_id text default null,
  limit_rows integer default 100,
  subject_user_id text default null,
  verb text default null,
  outcome text default null,
  since timestamptz default null,
  until timestamptz default null,
  before_id bigint default null,
  history boolean default false,
  code text default null
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
    select h.* from federation.federation_audit_archive h where list_audit.history
  ) a
  where (list_audit.grant_id is null or a.grant_id = list_audit.grant_id)
    and (list_audit.subject_user_id is null or a.subject_user_id = list_audit.subject_user_id)
    and (list_audit.verb is null or a.verb = list_audit.verb)
    and (list_audit.code is null or a.code = list_audit.code)
    and (list_audit.outcome is null or a.outcome = list_audit.outcome)
    and (list_audit.since is null or a.at >= list_audit.since)
    and (list_audit.until is null or a.at < list_audit.until)
    and (list_audit.before_id is null or a.id < list_audit.before_id)
  order by a.id desc
  limit least(greatest(limit_rows, 1), 10000);
$$;
revoke all on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint, boolean, text) from public;
grant execute on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint, boolean, text) to federation_admin;
comment on function federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint, boolean, text) is
  'Audit rows, newest first: of one grant, subject, verb, outcome, code or time, those before an id for the next page, with history those of the archive, too.';

create or replace function federation.audit_of_current_user() returns setof federation.federation_audit_log
language sql
stable
security definer -- users have no right on the log; they see rows about themselves here
set search_path = ''
as $$
  select l.*
  from federation.federation_audit_log l
  where l.subject_user_id = (select s.session ->> 'user' from federation.current_session() as s (session) where s.session ->> 'kind' = 'user')
    and (
      l.grant_id in (select g.id::text from federation.grants_of_current_user() g)
      -- Of a grant that was not made there is none: what it would let out is the user's all the same.
      or (l.grant_id is null and l.verb = 'grant.previewed' and l.chain = 'admin')
    )
  order by l.at desc, l.id desc
  limit 1000;
$$;
revoke all on function federation.audit_of_current_user() from public;
grant execute on function federation.audit_of_current_user() to federation_user;
comment on function federation.audit_of_current_user() is
  'The last 1 000 audit rows of grants that speak for the local user of this session, and of looks at what one that was not made would let out.';

create or replace view home_api.audit_rows with (security_barrier) as
select
  a.id, a.at, a.grant_id, a.peer_host, a.verb, a.resource, a.outcome, a.code, a.row_count, a.bytes_out, a.latency_ms, a.request_id, a.trace_id
from federation.audit_of_current_user() a;
revoke all on home_api.audit_rows from public;
grant select on home_api.audit_rows to federation_user;
comment on view home_api.audit_rows is E'@name auditRow\n@primaryKey id\nWhat peers asked for on the user''s behalf, and what was done here about their grants, newest first.';
