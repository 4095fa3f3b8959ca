--! Previous: sha1:ecac9b3d959a54308221ca5a9780deef163234fe
--! Hash: sha1:a75cb10512cb8be0fb864d8ffde9bbe95221ebba

-- The serving side: who was granted what, under which certificates, by which one-time tokens.
set local role federation_owner;

create table federation.federation_settings (
  name text primary key constraint federation_settings_name check (name ~ '^[a-z][a-z_]*$'),
  value text not null,
  updated_at timestamptz not null default now()
);
comment on table federation.federation_settings is 'Facts about this gateway that SQL functions need: its host, its public and federation URLs, the fingerprint of its root.';

create table federation.federation_keys (
  purpose text primary key constraint federation_keys_purpose check (purpose in ('session', 'cursor')),
  inner_key bytea not null constraint federation_keys_inner check (octet_length(inner_key) = 32),
  outer_key bytea not null constraint federation_keys_outer check (octet_length(outer_key) = 32),
  created_at timestamptz not null default now()
);
comment on table federation.federation_keys is 'Keys of the message authentication codes that SQL makes and checks: over the session of a transaction and over cursors.';

create table federation.federation_authorities (
  id uuid primary key default gen_random_uuid(),
  kind text not null constraint federation_authorities_kind check (kind in ('embedded', 'step-ca')),
  certificate_der bytea not null,
  fingerprint text not null unique constraint federation_authorities_fingerprint check (fingerprint ~ '^[0-9a-f]{64}$'),
  sealed_key bytea,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  constraint federation_authorities_embedded_key check (kind <> 'embedded' or sealed_key is not null)
);
comment on table federation.federation_authorities is 'Certificate authorities whose client certificates this gateway accepts. The newest that is not retired signs.';
comment on column federation.federation_authorities.sealed_key is 'PKCS#8 key of an embedded authority, sealed with the row id as associated data.';

create table federation.federation_grants (
  id uuid primary key default gen_random_uuid(),
  subject_user_id text not null constraint federation_grants_subject check (length(subject_user_id) between 1 and 256),
  peer_host text not null constraint federation_grants_peer_host check (peer_host ~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$'),
  scope jsonb not null constraint federation_grants_scope check (jsonb_typeof(scope) = 'object'),
  status text not null default 'pending'
    constraint federation_grants_status check (status in ('pending', 'active', 'suspended', 'revoked', 'expired')),
  created_at timestamptz not null default now(),
  created_by text not null default session_user,
  activated_at timestamptz,
  expires_at timestamptz,
  ended_at timestamptz,
  end_reason text,
  constraint federation_grants_started check (status not in ('active', 'suspended') or activated_at is not null),
  constraint federation_grants_ended check ((status in ('revoked', 'expired')) = (ended_at is not null))
);
create index federation_grants_subject_user_id_idx on federation.federation_grants (subject_user_id);
create index federation_grants_created_at_idx on federation.federation_grants (created_at desc);
comment on table federation.federation_grants is 'One peer, one subject, one scope, one lifecycle: pending → active ⇄ suspended → revoked or expired.';
comment on column federation.federation_grants.subject_user_id is 'The local user whose native rights bound what the peer may read.';
comment on column federation.federation_grants.scope is 'What narrows the subject''s rights; checked by federation.check_scope.';

create table federation.federation_certificates (
  serial text primary key constraint federation_certificates_serial check (serial ~ '^[0-9a-f]{2,40}$'),
  grant_id uuid not null references federation.federation_grants on delete restrict,
  fingerprint text not null unique constraint federation_certificates_fingerprint check (fingerprint ~ '^[0-9a-f]{64}$'),
  not_before timestamptz not null,
  not_after timestamptz not null,
  issued_at timestamptz not null default now(),
  renewed_from text references federation.federation_certificates on delete restrict,
  revoked_at timestamptz,
  revocation_reason text constraint federation_certificates_reason check (
    revocation_reason in ('unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn')
  ),
  constraint federation_certificates_validity check (not_before < not_after),
  constraint federation_certificates_revoked check ((revoked_at is null) = (revocation_reason is null))
);
create index federation_certificates_grant_id_idx on federation.federation_certificates (grant_id);
create index federation_certificates_renewed_from_idx on federation.federation_certificates (renewed_from);
create index federation_certificates_revoked_at_idx on federation.federation_certificates (revoked_at) where revoked_at is not null;
comment on table federation.federation_certificates is 'Every client certificate that was issued, recorded before it leaves. This record decides; the CRL is published for others.';

create table federation.federation_enrollment_tokens (
  token_hash bytea primary key constraint federation_enrollment_tokens_hash check (octet_length(token_hash) = 32),
  grant_id uuid not null references federation.federation_grants on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint federation_enrollment_tokens_life check (created_at < expires_at)
);
create index federation_enrollment_tokens_grant_id_idx on federation.federation_enrollment_tokens (grant_id);
comment on table federation.federation_enrollment_tokens is 'One-time tokens by which a peer exchanges a CSR for a certificate; only their SHA-256 is kept.';

reset role;
