-- Guarantees: one look at how the federation of this database does; no secret, and nothing of any row.
create or replace function federation.status() returns jsonb
language sql
stable
security definer -- administrators have no right on the tables
set search_path = ''
as $$
  select jsonb_build_object(
    'grants', coalesce((select jsonb_object_agg(g.status, g.n) from (select l.status, count(*) as n from federation.list_grants() l group by 1) g), '{}'),
    'peers', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'user', p.owner_user_id, 'host', p.host, 'state', p.state, 'certificateUntil', p.certificate_not_after,
            'cacheTtlSeconds', p.cache_ttl_seconds, 'circuit', h.circuit, 'lastSuccessAt', h.last_success_at,
            'lastFailureAt', h.last_failure_at, 'lastFailureCode', h.last_failure_code, 'offlineSince', h.offline_since,
            'renewalFailures', p.renewal_failures, 'renewalFailedAt', p.renewal_failed_at, 'renewalFailureCode', p.renewal_failure_code
          )
          order by p.host, p.owner_user_id
        )
        from federation.federation_peers p
        left join federation.peer_health() h on h.peer_id = p.id
      ),
      '[]'
    ),
    'gateways', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object('name', g.name, 'startedAt', g.started_at, 'seenAt', g.seen_at) || (g.report - 'peers') order by g.started_at, g.id
        )
        from federation.live_gateways() g
      ),
      '[]'
    ),
    'audit', (
      select jsonb_build_object(
        'rowsOfLastDay', count(*) filter (where l.verb <> 'gap'),
        'refusedOfLastDay', count(*) filter (where l.outcome <> 'served' and l.verb <> 'gap'),
        'droppedOfLastDay', coalesce(sum(l.row_count) filter (where l.verb = 'gap'), 0),
        'chains', (select count(*) from federation.federation_audit_chains),
        'hotPartitions', (select count(*) from federation.audit_partitions() p where p.tier = 'hot' and p.starts_at is not null),
        'archivedPartitions', (select count(*) from federation.audit_partitions() p where p.tier = 'archive')
      )
      from federation.federation_audit_log l
      where l.at > now() - interval '1 day'
    ),
    'alerts', coalesce(
      (
        select jsonb_agg(jsonb_build_object('since', a.at, 'severity', a.severity, 'code', a.code, 'subject', a.subject, 'message', a.message) order by a.at)
        from federation.list_alerts() a
      ),
      '[]'
    )
  );
$$;
revoke all on function federation.status() from public;
grant execute on function federation.status() to federation_admin;
comment on function federation.status() is
  'Grants by status, peers and how they do, gateways that serve now, the audit log of the last day with what it says is missing, and open alerts.';
