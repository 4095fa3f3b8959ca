--! Previous: sha1:a75cb10512cb8be0fb864d8ffde9bbe95221ebba
--! Hash: sha1:4cce2f21c80f7d6510725849143dcc304d992b56

-- The calling side: remote gateways that a local user enrolled with, and the tokens by which local users are known.
set local role federation_owner;

create table federation.federation_peers (
  id uuid primary key default gen_random_uuid(),
  owner_user_id text not null constraint federation_peers_owner check (length(owner_user_id) between 1 and 256),
  host text not null constraint federation_peers_host check (host ~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$'),
  federation_url text not null,
  public_url text not null,
  grant_id uuid not null,
  root_certificate_der bytea not null,
  certificate_chain_der bytea[] not null,
  certificate_serial text not null constraint federation_peers_serial check (certificate_serial ~ '^[0-9a-f]{2,40}$'),
  certificate_not_after timestamptz not null,
  sealed_key bytea not null,
  state text not null default 'active' constraint federation_peers_state check (state in ('active', 'degraded', 'revoked')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (owner_user_id, host)
);
comment on table federation.federation_peers is 'One remote gateway of one local user: our certificate for it and its sealed key. Nobody else can query through it.';
comment on column federation.federation_peers.certificate_chain_der is 'Our client certificate, then its intermediates, DER.';
comment on column federation.federation_peers.sealed_key is 'PKCS#8 private key of our certificate, sealed with the row id as associated data.';

create table federation.federation_user_tokens (
  id uuid primary key default gen_random_uuid(),
  token_hash bytea not null unique constraint federation_user_tokens_hash check (octet_length(token_hash) = 32),
  user_id text not null constraint federation_user_tokens_user check (length(user_id) between 1 and 256),
  label text,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
create index federation_user_tokens_user_id_idx on federation.federation_user_tokens (user_id);
comment on table federation.federation_user_tokens is 'Bearer tokens of local users for the home listener; only their SHA-256 is kept.';

reset role;
