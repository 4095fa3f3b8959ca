-- Guarantees: what a gateway knows of its peers and of itself can be seen from beside it, as of a few seconds ago; and what a gateway that
-- is gone knew is not taken for news.
create or replace function federation.report_gateway(id uuid, name text, started_at timestamptz, report jsonb) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  delete from federation.federation_gateways g where g.seen_at < now() - interval '1 day';
  insert into federation.federation_gateways as g (id, name, started_at, seen_at, report)
  values (report_gateway.id, report_gateway.name, report_gateway.started_at, now(), report_gateway.report)
  on conflict on constraint federation_gateways_pkey do update set seen_at = excluded.seen_at, report = excluded.report;
$$;
revoke all on function federation.report_gateway(uuid, text, timestamptz, jsonb) from public;
grant execute on function federation.report_gateway(uuid, text, timestamptz, jsonb) to federation_gateway;
comment on function federation.report_gateway(uuid, text, timestamptz, jsonb) is 'Writes what a running gateway says of itself and of its peers.';

create or replace function federation.end_gateway(id uuid) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  delete from federation.federation_gateways g where g.id = end_gateway.id;
$$;
revoke all on function federation.end_gateway(uuid) from public;
grant execute on function federation.end_gateway(uuid) to federation_gateway;
comment on function federation.end_gateway(uuid) is 'Says that a gateway serves no more.';

create or replace function federation.live_gateways() returns setof federation.federation_gateways
language sql
stable
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  -- They report every five seconds.
  select g.* from federation.federation_gateways g where g.seen_at > now() - interval '30 seconds' order by g.started_at, g.id;
$$;
revoke all on function federation.live_gateways() from public;
grant execute on function federation.live_gateways() to federation_admin;
comment on function federation.live_gateways() is 'The gateways that serve now, with what each said last.';

create or replace function federation.peer_health()
returns table (
  peer_id uuid, circuit text, failures integer, last_success_at timestamptz, last_failure_at timestamptz, last_failure_code text,
  offline_since timestamptz
)
language sql
stable
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  -- Of several gateways, the peer answers where it answered any of them last.
  select distinct on (h.id)
    h.id, h.circuit, h.failures,
    max(h."lastSuccessAt") over of_peer, max(h."lastFailureAt") over of_peer, h."lastFailureCode", h."offlineSince"
  from federation.live_gateways() g, jsonb_to_recordset(g.report -> 'peers') as h (
    id uuid, circuit text, failures integer, "lastSuccessAt" timestamptz, "lastFailureAt" timestamptz, "lastFailureCode" text,
    "offlineSince" timestamptz
  )
  window of_peer as (partition by h.id)
  order by h.id, greatest(h."lastSuccessAt", h."lastFailureAt") desc nulls last;
$$;
revoke all on function federation.peer_health() from public;
comment on function federation.peer_health() is 'How each peer did when a gateway that serves now last asked it; no row for those that none asked.';
