--! Previous: sha1:04353b9563173d073beb30b1a7e83b2f184642d0
--! Hash: sha1:64296ba2c26015f194cda3a7a4af3093cbb2fefc
--! Message: search, limits and rollover

-- What a search finds rows by, what a grant may take, and partitions of the audit log by week.
set local role federation_owner;

alter table federation.federation_resources
  add column search_config text not null default 'pg_catalog.simple',
  add column search_indexed boolean not null default false;
comment on column federation.federation_resources.search_config is 'The text search configuration by which words of a row are told.';
comment on column federation.federation_resources.search_indexed is
  'True where triggers keep federation_search_documents: the policies are ours, and owner and team are columns.';

create table federation.federation_search_documents (
  resource_name text not null,
  row_key text not null,
  document tsvector not null,
  scoped tsvector not null,
  primary key (resource_name, row_key)
);
-- A short list of pending entries makes writes of the application twenty times cheaper; every search reads it whole, whatever it looks for.
create index federation_search_documents_scoped_idx on federation.federation_search_documents using gin (scoped) with (gin_pending_list_limit = 512);
-- No foreign key: each row that an application writes would lock the one row of its resource. federation.forget_resource deletes them.
comment on table federation.federation_search_documents is 'The words of rows, kept by triggers; what a search finds candidates by, which are then read under the policies.';
comment on column federation.federation_search_documents.scoped is
  'Each word behind a hash of the row''s owner and of its team: a search enters the index below its own owner and teams only.';

alter table federation.federation_grants
  add column requests_per_minute integer,
  add column burst integer,
  add column audit_mode text not null default 'async',
  add constraint federation_grants_requests_per_minute check (requests_per_minute between 1 and 1000000) not valid,
  add constraint federation_grants_burst check (burst between 1 and 1000000) not valid,
  add constraint federation_grants_audit_mode check (audit_mode in ('async', 'strict')) not valid;
alter table federation.federation_grants validate constraint federation_grants_requests_per_minute;
alter table federation.federation_grants validate constraint federation_grants_burst;
alter table federation.federation_grants validate constraint federation_grants_audit_mode;
comment on column federation.federation_grants.requests_per_minute is 'Requests that the grant may make in a minute; null is what the gateway''s configuration says.';
comment on column federation.federation_grants.burst is 'The most of them in one second; null is no limit but that of the minute.';
comment on column federation.federation_grants.audit_mode is
  'strict: an answer leaves only after its audit row is durable. async: what had to be dropped is said by a gap row.';

-- An open condition stands in the list once.
create unique index federation_alerts_open_idx on federation.federation_alerts (code, subject) where resolved_at is null;

reset role;

-- They take more from now on; sql/ makes them anew.
drop function if exists federation.register_resource(text, regclass, text, text, name[], name, jsonb, name, name[], jsonb, name);
drop function if exists federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint);
drop function if exists federation.list_grants();
