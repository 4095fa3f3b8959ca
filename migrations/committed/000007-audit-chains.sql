--! Previous: sha1:e79d96cfa3f65b3352899827a88f53ce06a73bca
--! Hash: sha1:04353b9563173d073beb30b1a7e83b2f184642d0
--! Message: audit chains

-- A chain of hashes over the audit log, and room for changes that administrators make.
set local role federation_owner;

create table federation.federation_audit_chains (
  chain text primary key constraint federation_audit_chains_name check (chain ~ '^(admin|requests-[0-9]{1,2})$'),
  position bigint not null default 0,
  hash bytea not null default '\x' constraint federation_audit_chains_hash check (octet_length(hash) in (0, 32)),
  updated_at timestamptz not null default now()
);
comment on table federation.federation_audit_chains is 'The head of each chain of audit rows: what a truncated tail is told by.';

alter table federation.federation_audit_log
  add column chain text,
  add column position bigint,
  add column previous_hash bytea,
  add column hash bytea,
  add column trace_id text,
  add column actor text,
  add column details jsonb;
create index federation_audit_log_id_idx on federation.federation_audit_log (id);
create index federation_audit_log_chain_idx on federation.federation_audit_log (chain, position);
comment on column federation.federation_audit_log.hash is 'SHA-256 over the hash before it and the content of the row.';
comment on column federation.federation_audit_log.actor is 'Who made a change: the database login.';
comment on column federation.federation_audit_log.details is 'Of a change, what was there before and after, without secrets; of a gap, its count and time.';

alter table federation.federation_audit_archive
  add column chain text,
  add column position bigint,
  add column previous_hash bytea,
  add column hash bytea,
  add column trace_id text,
  add column actor text,
  add column details jsonb;
create index federation_audit_archive_id_idx on federation.federation_audit_archive (id);
create index federation_audit_archive_chain_idx on federation.federation_audit_archive (chain, position);

reset role;

-- It takes the chain from now on; sql/ makes it anew.
drop function if exists federation.append_audit(jsonb);
-- It takes filters from now on.
drop function if exists federation.list_audit(text, integer);
