--! Previous: sha1:f0e1c84bcf9df6a3267bb8b5b00c1aa3906d97b8
--! Hash: sha1:98b55a2ffbf43eaa23beb33b38f2d7aa4d5e906b

-- What happened, and what somebody should look at.
set local role federation_owner;

create table federation.federation_audit_log (
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  grant_id text,
  peer_host text,
  subject_user_id text,
  certificate_serial text,
  verb text not null,
  resource text,
  query_hash bytea constraint federation_audit_log_query_hash check (octet_length(query_hash) = 32),
  outcome text not null constraint federation_audit_log_outcome check (outcome in ('served', 'denied', 'failed')),
  code text not null,
  row_count integer not null default 0,
  bytes_out bigint not null default 0,
  latency_ms real not null default 0,
  request_id text,
  primary key (at, id)
) partition by range (at);
create index federation_audit_log_grant_id_idx on federation.federation_audit_log (grant_id, at);
create table federation.federation_audit_log_default partition of federation.federation_audit_log default;
comment on table federation.federation_audit_log is 'One row for each federated request, served or refused; append-only by trigger. Holds no body and no parameter.';
comment on column federation.federation_audit_log.query_hash is 'SHA-256 of the normalised parameters.';

create table federation.federation_audit_archive (
  like federation.federation_audit_log including constraints,
  primary key (at, id)
) partition by range (at);
comment on table federation.federation_audit_archive is 'The cold tier of the audit log: whole partitions, moved there by attach.';

create table federation.federation_alerts (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  severity text not null constraint federation_alerts_severity check (severity in ('warning', 'critical')),
  code text not null,
  subject text not null,
  message text not null,
  resolved_at timestamptz
);
comment on table federation.federation_alerts is 'Conditions that an administrator should look at, until they are resolved.';

reset role;
