--! Previous: sha1:ca155638e7428ca344ba9bb2375eb9157452e632
--! Hash: sha1:b82b2242af4b3427c19b18e80061bd175acd7e3b
--! Message: prepared resources

-- What peers ask of a resource most is written as functions beforehand, one of a verb, so that its plan is kept.
create schema federation_prepared authorization federation_owner;

set local role federation_owner;

comment on schema federation_prepared is 'Functions that registration writes for each resource: the bodies of verbs, for peers, who call them through the verbs.';
grant usage on schema federation_prepared to federation_peer;

create table federation.federation_prepared_resources (
  resource_name text primary key references federation.federation_resources on delete cascade,
  fingerprint text not null,
  personal_condition text,
  native_policy oid,
  roles oid[] not null
);
comment on table federation.federation_prepared_resources is 'Resources whose functions in federation_prepared are written.';
comment on column federation.federation_prepared_resources.fingerprint is
  'The table, its columns, its policies and what roles hold as the functions were written for; while they differ, queries are built anew.';
comment on column federation.federation_prepared_resources.personal_condition is
  'What the table''s own policy asks of a row without a team, where rows can be read team by team; else null.';
comment on column federation.federation_prepared_resources.native_policy is 'The policy that the condition was taken from, by its words; null without one.';
comment on column federation.federation_prepared_resources.roles is
  'Whose rights decide what is read: the peer''s, and those of owners of views that policies read.';

-- Their results change.
drop function if exists federation.session_grant();
drop function if exists federation.describe_resource(text);
drop function if exists federation.keyset_condition(name[], text[], boolean[], boolean[], text[]);
drop function if exists federation.list_rows(text, jsonb, jsonb, integer, text, integer);
drop function if exists federation.get_row(text, text);
drop function if exists federation.require_resource(text);
drop function if exists federation_api.list(text, jsonb, jsonb, integer, text);
drop function if exists federation_api.get(text, text);
-- A view says it now.
drop function if exists federation.is_superseded(text);

reset role;
