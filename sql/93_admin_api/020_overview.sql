-- Guarantees: one look at how the gateway does; to a user, nothing of others.
create or replace function federation.shown_services() returns jsonb
language sql
stable
set search_path = ''
as $$
  with gateways as (
    select count(*) as serving, coalesce(bool_and((g.report ->> 'listening')::boolean), false) as listening
    from federation.live_gateways() g
  ),
  open_alerts as (
    select a.code from federation.federation_alerts a where a.resolved_at is null
  ),
  lists as (
    select
      max(c.next_update) as until,
      exists (select from open_alerts o where o.code in ('CRL_FAILED', 'CRL_STALE')) as failing
    from federation.federation_crls c
  )
  select jsonb_agg(jsonb_build_object('name', s.name, 'state', s.state, 'detail', s.detail) order by s.n)
  from (
    select 1 as n, 'database' as name, 'ok' as state, 'PostgreSQL ' || current_setting('server_version') as detail
    union all
    select 2, 'valkey', case when exists (select from open_alerts o where o.code = 'VALKEY_AWAY') then 'degraded' else 'ok' end,
      case when exists (select from open_alerts o where o.code = 'VALKEY_AWAY') then 'Away: each gateway counts requests by itself.' else 'Requests are counted together.' end
    where exists (select from federation.federation_settings t where t.name = 'tier' and t.value = 'federated')
    union all
    select 3, 'authority', case when a.kind is null then 'down' when a.away then 'degraded' else 'ok' end,
      case
        when a.kind is null then 'None.'
        when a.away then 'A gateway does not reach step-ca: by it, nobody can enroll or renew.'
        when a.kind = 'step-ca' then 'step-ca signs certificates.'
        else 'The gateway signs certificates itself.'
      end
    from (
      select
        (select s.kind from federation.federation_authorities s where s.id = federation.signing_authority()) as kind,
        exists (select from open_alerts o where o.code = 'STEP_CA_AWAY') as alerted
    ) f
    cross join lateral (select f.kind, f.alerted and f.kind = 'step-ca' as away) a
    union all
    select 4, 'notices', case when g.serving = 0 then 'down' when g.listening then 'ok' else 'degraded' end,
      case when g.serving = 0 then 'No gateway says that it serves.' when g.listening then 'Gateways hear of changes at once.' else 'A gateway looks for changes by itself.' end
    from gateways g
    union all
    select 5, 'revocationList',
      case when l.until <= now() then 'down' when l.until is null or l.failing then 'degraded' else 'ok' end,
      coalesce('Good until ' || to_char(l.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') || '.', 'None has been made yet.')
        || case when l.failing then ' A newer one could not be made.' else '' end
    from lists l
    union all
    select 6, 'audit', case when d.dropped = 0 then 'ok' else 'degraded' end,
      case when d.dropped = 0 then 'Nothing is missing from the last day.' else d.dropped || ' rows are missing from the last day.' end
    from (
      select coalesce(sum(l.row_count), 0) as dropped from federation.federation_audit_log l where l.verb = 'gap' and l.at > now() - interval '1 day'
    ) d
  ) s;
$$;
revoke all on function federation.shown_services() from public;
comment on function federation.shown_services() is 'How the parts that the gateway stands on do: ok, degraded or down.';

create or replace function federation.shown_traffic() returns jsonb
language sql
stable
set search_path = ''
as $$
  with requests as materialized (
    select l.at, l.outcome, l.code, l.verb, l.row_count
    from federation.federation_audit_log l
    where l.at > now() - interval '1 day' and l.actor is null and l.verb !~ '^pages\.'
  )
  select jsonb_build_object(
    'perMinute', (
      select jsonb_agg(
        jsonb_build_object('at', federation.shown_time(m.minute), 'served', coalesce(c.served, 0), 'refused', coalesce(c.refused, 0)) order by m.minute
      )
      from generate_series(date_trunc('minute', now()) - interval '59 minutes', date_trunc('minute', now()), interval '1 minute') as m (minute)
      left join (
        select
          date_trunc('minute', r.at) as minute, count(*) filter (where r.outcome = 'served') as served, count(*) filter (where r.outcome <> 'served') as refused
        from requests r
        where r.verb <> 'gap' and r.at > now() - interval '61 minutes'
        group by 1
      ) c on c.minute = m.minute
    ),
    'refusalsByCode', coalesce(
      (
        select jsonb_agg(jsonb_build_object('code', c.code, 'count', c.n) order by c.n desc, c.code)
        from (select r.code, count(*) as n from requests r where r.outcome <> 'served' and r.verb <> 'gap' group by 1) c
      ),
      '[]'
    ),
    'requestsOfLastDay', (select count(*) from requests r where r.verb <> 'gap'),
    'refusedOfLastDay', (select count(*) from requests r where r.verb <> 'gap' and r.outcome <> 'served'),
    'droppedOfLastDay', (select coalesce(sum(r.row_count), 0) from requests r where r.verb = 'gap')
  );
$$;
revoke all on function federation.shown_traffic() from public;
comment on function federation.shown_traffic() is 'Requests of the last hour by minute, and refusals of the last day by code.';

create or replace function admin_api.overview() returns jsonb
language plpgsql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
declare
  administrator constant boolean := (federation.require_person() ->> 'administrator')::boolean;
begin
  return jsonb_build_object(
    'host', coalesce((select s.value from federation.federation_settings s where s.name = 'host'), ''),
    'tier', coalesce((select s.value from federation.federation_settings s where s.name = 'tier'), ''),
    'services', case
      when administrator then federation.shown_services()
      -- Versions and what signs are for who runs the gateway.
      else (select jsonb_agg(s.item - 'detail') from jsonb_array_elements(federation.shown_services()) as s (item))
    end,
    'grants', (
      select coalesce(jsonb_agg(jsonb_build_object('status', c.status, 'count', c.n) order by c.status), '[]')
      from (select g.item ->> 'status' as status, count(*) as n from federation.shown_grants() as g (item) group by 1) c
    ),
    'peers', (
      select coalesce(jsonb_agg(jsonb_build_object('status', c.state, 'count', c.n) order by c.state), '[]')
      from (select p.item ->> 'state' as state, count(*) as n from federation.shown_peers() as p (item) group by 1) c
    ),
    'gateways', case
      when administrator then (
        select coalesce(
          jsonb_agg(
            jsonb_build_object(
              'name', g.name, 'startedAt', federation.shown_time(g.started_at), 'seenAt', federation.shown_time(g.seen_at),
              'certificateUntil', g.report -> 'certificateUntil'
            )
          ),
          '[]'
        )
        from federation.live_gateways() g
      )
      else '[]'
    end,
    'alerts', case when administrator then admin_api.alerts() else '[]' end,
    'traffic', case
      when administrator then federation.shown_traffic()
      else '{"perMinute": [], "refusalsByCode": [], "requestsOfLastDay": 0, "refusedOfLastDay": 0, "droppedOfLastDay": 0}'
    end
  );
end;
$$;
revoke all on function admin_api.overview() from public;
grant execute on function admin_api.overview() to federation_pages;
comment on function admin_api.overview() is
  'The gateway at a glance. To a user, grants and peers are their own, services have no detail, and gateways, alerts and traffic are empty. Raises MF040.';
