--! Previous: sha1:6354084024fc82c9888656c51f6d83e3872b1ffb
--! Hash: sha1:ca155638e7428ca344ba9bb2375eb9157452e632
--! Message: life of a grant

-- The life of a grant: lineage of certificates, what was published of revocations, authorities that overlap, renewals that failed.
set local role federation_owner;

-- Never reset and never given back: a database that was restored is behind what its gateways published, and shows it.
create sequence federation.federation_revocation_epoch as bigint;
comment on sequence federation.federation_revocation_epoch is 'Counts revocations of certificates, for ever.';

alter table federation.federation_certificates
  add column authority_id uuid,
  add column confirmed_at timestamptz,
  add column revocation_epoch bigint,
  add column enrollment bytea,
  add constraint federation_certificates_authority_id_fkey foreign key (authority_id) references federation.federation_authorities on delete restrict not valid;
alter table federation.federation_certificates validate constraint federation_certificates_authority_id_fkey;
create index federation_certificates_authority_id_idx on federation.federation_certificates (authority_id);
comment on column federation.federation_certificates.authority_id is 'Which authority signed it; null where it was signed before that was recorded.';
comment on column federation.federation_certificates.confirmed_at is
  'When the peer said, by this certificate, that it has it. Only then may the one that it was renewed from be superseded.';
comment on column federation.federation_certificates.enrollment is
  'SHA-256 of the administrator''s token that it was enrolled by, at first or again; null where it was renewed, or enrolled before that was recorded.';
comment on column federation.federation_certificates.revocation_epoch is 'The count of revocations as of its own; null where it was revoked before they were counted.';

alter table federation.federation_enrollment_tokens
  add column again_of bytea constraint federation_enrollment_tokens_again_of check (octet_length(again_of) = 32);
comment on column federation.federation_enrollment_tokens.again_of is
  'SHA-256 of the administrator''s token that it was made of, for whoever spent that one; null where it is an administrator''s.';

create table federation.federation_crls (
  authority_id uuid references federation.federation_authorities on delete cascade,
  kind text constraint federation_crls_kind check (kind in ('embedded', 'step-ca')),
  issuer text not null constraint federation_crls_issuer check (issuer ~ '^[0-9a-f]{64}$'),
  number bigint not null,
  der bytea not null,
  this_update timestamptz not null,
  next_update timestamptz not null,
  primary key (authority_id, kind),
  constraint federation_crls_life check (this_update < next_update)
);
comment on table federation.federation_crls is
  'The newest list of revoked certificates of each authority, as it was published (RFC 5280 §5): one of its own signature and one of step-ca below it.';
comment on column federation.federation_crls.issuer is 'SHA-256 of the certificate whose key signed it: its numbers count for lists of the same only.';

create table federation.federation_restored_revocations (
  serial text primary key constraint federation_restored_revocations_serial check (serial ~ '^[0-9a-f]{2,40}$'),
  revoked_at timestamptz not null,
  revocation_reason text not null,
  not_after timestamptz not null
);
comment on table federation.federation_restored_revocations is
  'Revoked certificates that a restored database does not know and that were published before it was restored.';

alter table federation.federation_authorities add column cross_certificate_der bytea;
comment on column federation.federation_authorities.cross_certificate_der is
  'Its key, certified by the authority before it: who trusts only that one is led to it (RFC 4210 §4.4).';

alter table federation.federation_identity
  add column user_deleted_column name,
  add column member_deleted_column name;
comment on column federation.federation_identity.user_deleted_column is
  'A user whose row says true here, or any time, is deleted; null where users are deleted by deleting their row.';

alter table federation.federation_peers
  add column trusted_roots_der bytea[] not null default '{}',
  add column renewal_failures integer not null default 0,
  add column renewal_failed_at timestamptz,
  add column renewal_failure_code text,
  add column ended_because text;
comment on column federation.federation_peers.trusted_roots_der is
  'Further roots that the peer told of, over a connection for which one that was trusted already vouched.';
comment on column federation.federation_peers.renewal_failures is 'Renewals that failed since the last that did not.';
comment on column federation.federation_peers.ended_because is 'The code by which it was learnt that the grant has ended.';

alter table federation.federation_alerts add column delivered_at timestamptz;
comment on column federation.federation_alerts.delivered_at is 'When it was handed to the webhook.';

reset role;

-- They take or return more from now on; sql/ makes them anew.
drop function if exists federation.record_certificate(text, uuid, text, timestamptz, timestamptz);
drop function if exists federation.list_peers();
drop function if exists federation.bind_identity(regclass, name, regclass, name, name);
drop function if exists federation.record_identity(regclass, name, regclass, name, name);
drop function if exists federation.revoked_certificates();
