--! Previous: sha1:64296ba2c26015f194cda3a7a4af3093cbb2fefc
--! Hash: sha1:6354084024fc82c9888656c51f6d83e3872b1ffb
--! Message: peer health and cache

-- The calling side: how long a peer's answers are good, and what each running gateway says of itself and of its peers.
set local role federation_owner;

alter table federation.federation_peers
  add column cache_ttl_seconds integer,
  add constraint federation_peers_cache_ttl_seconds check (cache_ttl_seconds between 0 and 3600) not valid;
alter table federation.federation_peers validate constraint federation_peers_cache_ttl_seconds;
comment on column federation.federation_peers.cache_ttl_seconds is
  'Seconds for which an answer to list or get is good; 0 keeps none, null is what the gateway''s configuration says.';

create table federation.federation_gateways (
  id uuid primary key,
  name text not null constraint federation_gateways_name check (length(name) between 1 and 256),
  started_at timestamptz not null,
  seen_at timestamptz not null,
  report jsonb not null constraint federation_gateways_report check (jsonb_typeof(report) = 'object')
);
comment on table federation.federation_gateways is 'The gateways that serve this database, each with what it last said of itself; one that stops takes its row along.';
comment on column federation.federation_gateways.report is 'Numbers and times only: cache, queue, and for each peer its circuit and when it last answered. Nothing of any row.';

-- It returns a column more; sql/ makes it anew.
drop function if exists federation.grant_terms(uuid);

reset role;
