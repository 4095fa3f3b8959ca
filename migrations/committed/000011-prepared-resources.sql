--! Previous: sha1:afc634f952749a078650fa57975a03cacdbb5398
--! Hash: sha1:f90ffdfc69339839cada3a6b7828748f9820e137
--! Message: prepared resources

-- Functions whose plans are kept, written from a resource.
set local role federation_owner;

alter table federation.federation_resources add column prepared_for text;
comment on column federation.federation_resources.prepared_for is
  'What the table and its policies were when page_of_… and row_of_… were written; null where there are none.';

create type federation.page_reach as (cap integer, subject text, personal boolean, teams text[], is_prepared boolean);
comment on type federation.page_reach is 'How far a page reaches under a grant: most rows, subject, rows without a team, teams, and whether the resource is prepared.';

create type federation.page as (answer json, row_count integer);
comment on type federation.page is 'What list answers, and how many rows that has.';

reset role;

-- They return something else from now on; sql/ makes them anew.
drop function if exists federation.session_grant();
drop function if exists federation.list_rows(text, jsonb, jsonb, integer, text, integer);
drop function if exists federation.get_row(text, text);
drop function if exists federation_api.list(text, jsonb, jsonb, integer, text);
drop function if exists federation_api.get(text, text);
