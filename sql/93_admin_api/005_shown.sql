-- Guarantees: what is shown of grants, peers and resources is what the person of the transaction may see of them: administrators everything, a user what is theirs.
create or replace function federation.shown_time(at timestamptz) returns text
language sql
stable strict
set search_path = ''
as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
$$;
revoke all on function federation.shown_time(timestamptz) from public;
comment on function federation.shown_time(timestamptz) is 'A time as ISO 8601 in UTC.';

create or replace function federation.shown_grants(only_id uuid default null) returns setof jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', g.id, 'subject', g.subject_user_id, 'peerHost', g.peer_host, 'status', g.status, 'scope', g.scope,
    'createdAt', federation.shown_time(g.created_at), 'createdBy', case when p.administrator then g.created_by end,
    'activatedAt', federation.shown_time(g.activated_at), 'expiresAt', federation.shown_time(g.expires_at),
    'endedAt', federation.shown_time(g.ended_at), 'endReason', g.end_reason,
    'certificateSerial', g.certificate_serial, 'certificateUntil', federation.shown_time(g.certificate_not_after),
    'requestsPerMinute', g.requests_per_minute, 'burst', g.burst, 'auditMode', g.audit_mode,
    'lastRequestAt', federation.shown_time(l.last_request_at), 'requestsOfLastDay', l.requests, 'refusedOfLastDay', l.refused
  )
  from federation.require_person() as w (person)
  cross join lateral (select (w.person ->> 'administrator')::boolean as administrator, w.person ->> 'user' as user_id) p
  cross join federation.list_grants() g
  cross join lateral (
    select
      (
        select a.at from federation.federation_audit_log a
        where a.grant_id = g.id::text and a.actor is null and a.verb !~ '^pages\.'
        order by a.at desc
        limit 1
      ) as last_request_at,
      count(*) as requests,
      count(*) filter (where a.outcome <> 'served') as refused
    from federation.federation_audit_log a
    where a.grant_id = g.id::text and a.at > now() - interval '1 day' and a.actor is null and a.verb !~ '^pages\.'
  ) l
  where (p.administrator or g.subject_user_id = p.user_id) and (only_id is null or g.id = only_id);
$$;
revoke all on function federation.shown_grants(uuid) from public;
comment on function federation.shown_grants(uuid) is 'The grants that the person may see, or one of them, newest first. Raises MF040.';

create or replace function federation.shown_grant(grant_id uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  shown jsonb;
begin
  select g.item into shown from federation.shown_grants(shown_grant.grant_id) as g (item);
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  return shown;
end;
$$;
revoke all on function federation.shown_grant(uuid) from public;
comment on function federation.shown_grant(uuid) is 'A grant that the person may see. Raises MF011 for one that is not there and for one that is somebody else''s, MF040.';

create or replace function federation.shown_peers(only_id uuid default null) returns setof jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p.id, 'host', p.host, 'user', p.owner_user_id, 'state', p.state, 'federationUrl', p.federation_url, 'grantId', p.grant_id,
    'certificateSerial', p.certificate_serial, 'certificateUntil', federation.shown_time(p.certificate_not_after),
    'enrolledAt', federation.shown_time(p.created_at), 'circuit', h.circuit, 'lastSuccessAt', federation.shown_time(h.last_success_at),
    'lastFailureAt', federation.shown_time(h.last_failure_at), 'lastFailureCode', h.last_failure_code,
    'offlineSince', federation.shown_time(h.offline_since), 'renewalFailures', p.renewal_failures,
    'renewalFailedAt', federation.shown_time(p.renewal_failed_at), 'renewalFailureCode', p.renewal_failure_code, 'endedBecause', p.ended_because
  )
  from federation.require_person() as w (person)
  cross join federation.list_peers() p
  left join federation.peer_health() h on h.peer_id = p.id
  where ((w.person ->> 'administrator')::boolean or p.owner_user_id = w.person ->> 'user') and (only_id is null or p.id = only_id);
$$;
revoke all on function federation.shown_peers(uuid) from public;
comment on function federation.shown_peers(uuid) is 'The peers that the person may see, or one of them. Raises MF040.';

create or replace function federation.shown_peer(peer_id uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  shown jsonb;
begin
  select p.item into shown from federation.shown_peers(shown_peer.peer_id) as p (item);
  if not found then
    raise exception 'There is no such peer.' using errcode = 'MF011';
  end if;
  return shown;
end;
$$;
revoke all on function federation.shown_peer(uuid) from public;
comment on function federation.shown_peer(uuid) is 'A peer that the person may see. Raises MF011 for one that is not there and for one that is somebody else''s, MF040.';

create or replace function federation.shown_resources(only_name text default null) returns setof jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'name', r.name, 'keyColumn', r.key_column, 'timeColumn', r.time_column,
    'columns', (
      select coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'type', c.type, 'nullable', c.is_nullable)), '[]')
      from federation.resource_columns(r.name) c
    ),
    'textColumns', r.text_columns,
    'isProtected', coalesce((select d.is_protected from federation.describe_resource(r.name) d), false),
    'liveGrants', (
      select count(*) from federation.federation_grants g
      where g.ended_at is null and coalesce(g.expires_at > now(), true) and g.scope -> 'resources' ? r.name
        and ((w.person ->> 'administrator')::boolean or g.subject_user_id = w.person ->> 'user')
    )
  ) || case
    when (w.person ->> 'administrator')::boolean then jsonb_build_object(
      'table', coalesce(t.name, r.table_id::text), 'owner', r.owner_expression, 'team', r.team_expression, 'hiddenColumns', r.hidden_columns,
      'nativePolicy', r.native_policy
    )
    else '{}'
  end
  from federation.require_person() as w (person)
  cross join federation.list_resources() r
  left join lateral (
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = r.table_id
  ) t on true
  where only_name is null or r.name = only_name
  order by r.name;
$$;
revoke all on function federation.shown_resources(text) from public;
comment on function federation.shown_resources(text) is 'The registered resources, or one of them, by name; of which tables they are is shown to administrators. Raises MF040.';

create or replace function federation.tables_of_applications() returns table (table_id oid, name text)
language sql
stable
set search_path = ''
as $$
  select c.oid, format('%I.%I', n.nspname, c.relname)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_'
    and n.nspname not in ('information_schema', 'federation', 'federation_api', 'home_api', 'admin_api', 'graphile_migrate', 'graphile_worker')
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e');
$$;
revoke all on function federation.tables_of_applications() from public;
grant execute on function federation.tables_of_applications() to federation_admin;
comment on function federation.tables_of_applications() is
  'The tables that the pages may register, as schema.table: none of the federation, of the database system, of an extension or of what migrates and runs jobs here.';
