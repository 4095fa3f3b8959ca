-- Guarantees: policies, and whatever code of an application they call, run as the role of a peer's or a local user's request and as no other. These
-- functions are given to these roles (see 090_owners.sql), so that they run as them without "set role", which code inside could take back.
-- Relies on: the session that federation.probe has opened; nobody but federation_owner may call them.
create or replace function federation.require_role(role_name name) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Restored by somebody who may not give them away, these functions would run as whoever restored them, whom no policy may bind.
  if current_user <> role_name then
    raise exception 'Explanations are not available: a function that belongs to % has another owner.', role_name
      using errcode = 'insufficient_privilege', hint = 'Give it to its role: see sql/75_explain/090_owners.sql.';
  end if;
end;
$$;
revoke all on function federation.require_role(name) from public;
grant execute on function federation.require_role(name) to federation_peer, federation_user;
comment on function federation.require_role(name) is 'Raises 42501 unless the function that calls runs as this role.';

drop function if exists federation.list_as_peer(text, jsonb, integer);
create function federation.list_as_peer(resource text, filter jsonb, first integer) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_peer, whose policies are asked
set search_path = ''
as $$
begin
  perform federation.require_role('federation_peer');
  return federation_api.list(resource, filter, null, first)::jsonb;
end;
$$;
revoke all on function federation.list_as_peer(text, jsonb, integer) from public;
comment on function federation.list_as_peer(text, jsonb, integer) is 'The verb list, as a peer.';

drop function if exists federation.get_as_peer(text, text);
create function federation.get_as_peer(resource text, id text) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_peer, whose policies are asked
set search_path = ''
as $$
begin
  perform federation.require_role('federation_peer');
  return federation_api.get(resource, id)::jsonb;
end;
$$;
revoke all on function federation.get_as_peer(text, text) from public;
comment on function federation.get_as_peer(text, text) is 'The verb get, as a peer.';

drop function if exists federation.count_as_peer(text, integer);
create function federation.count_as_peer(resource text, most integer) returns integer
language plpgsql
volatile
security definer -- runs as federation_peer, whose policies are asked
set search_path = ''
as $$
declare
  seen constant text := federation.registration_seen(resource);
  described record;
  statement text;
  counted integer;
begin
  perform federation.require_role('federation_peer');
  select d.* into strict described from federation.describe_resource(resource) d;
  -- Written before the application's path is set: so the table's name has its schema.
  statement := format('select pg_catalog.count(*) from (select from %s t limit $1) r', described.table_id);
  perform set_config('search_path', described.search_path, true);
  execute statement into counted using most;
  perform federation.require_as_read(resource, seen);
  return counted;
end;
$$;
revoke all on function federation.count_as_peer(text, integer) from public;
comment on function federation.count_as_peer(text, integer) is 'How many rows of a resource a peer sees, counted up to a number.';

drop function if exists federation.keys_as_peer(text, integer);
create function federation.keys_as_peer(resource text, most integer) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_peer, whose policies are asked
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  seen constant text := federation.registration_seen(resource);
  described record;
  statement text;
  keys jsonb;
begin
  perform federation.require_role('federation_peer');
  select d.* into strict described from federation.describe_resource(resource) d;
  -- Written before the application's path is set: so the table's name has its schema.
  statement := format(
    'select pg_catalog.jsonb_agg(k.id) from (select pg_catalog.format(''%%s'', t.%I) collate pg_catalog."C" as id from %s t order by 1 limit $1) k',
    described.key_column, described.table_id
  );
  perform set_config('search_path', described.search_path, true);
  execute statement
  into keys
  using most;
  perform federation.require_as_read(resource, seen);
  return coalesce(keys, '[]');
end;
$$;
revoke all on function federation.keys_as_peer(text, integer) from public;
comment on function federation.keys_as_peer(text, integer) is 'The keys of the rows of a resource that a peer sees, up to a number of them, in the order of their bytes.';

drop function if exists federation.list_as_user(text, jsonb, integer);
create function federation.list_as_user(resource text, filter jsonb, first integer) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_user, whose policies are asked
set search_path = ''
as $$
begin
  perform federation.require_role('federation_user');
  return federation.list_rows(resource, filter, null, first, null, first)::jsonb;
end;
$$;
revoke all on function federation.list_as_user(text, jsonb, integer) from public;
comment on function federation.list_as_user(text, jsonb, integer) is 'A page of a resource, as a local user.';

drop function if exists federation.count_as_user(text, integer);
create function federation.count_as_user(resource text, most integer) returns integer
language plpgsql
volatile
security definer -- runs as federation_user, whose policies are asked
set search_path = ''
as $$
declare
  seen constant text := federation.registration_seen(resource);
  described record;
  statement text;
  counted integer;
begin
  perform federation.require_role('federation_user');
  select d.* into strict described from federation.describe_resource(resource) d;
  -- Written before the application's path is set: so the table's name has its schema.
  statement := format('select pg_catalog.count(*) from (select from %s t limit $1) r', described.table_id);
  perform set_config('search_path', described.search_path, true);
  execute statement into counted using most;
  perform federation.require_as_read(resource, seen);
  return counted;
end;
$$;
revoke all on function federation.count_as_user(text, integer) from public;
comment on function federation.count_as_user(text, integer) is 'How many rows of a resource a local user sees, counted up to a number.';

drop function if exists federation.read_as_user(text, text[]);
create function federation.read_as_user(resource text, ids text[]) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_user, whose policies and privileges are asked
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  seen constant text := federation.registration_seen(resource);
  described record;
  known name[];
  fields text;
  key_type text;
  statement text;
  images text[];
begin
  perform federation.require_role('federation_user');
  select d.* into strict described from federation.describe_resource(resource) d;
  select c.type into strict key_type from federation.resource_columns(resource) c where c.name = described.key_column;
  select
    array_agg(a.attname) filter (where has_column_privilege(a.attrelid, a.attnum, 'select')),
    string_agg(case when has_column_privilege(a.attrelid, a.attnum, 'select') then format('t.%I', a.attname) else 'null' end, ', ' order by a.attnum)
  into known, fields
  from pg_attribute a
  where a.attrelid = described.table_id and a.attnum > 0 and not a.attisdropped;
  -- Written before the application's path is set: so the table's name has its schema.
  statement := format(
    'select pg_catalog.array_agg(pg_catalog.format(''%%s'', row(%s)) order by k.n)
      from pg_catalog.unnest($1::%s[]) with ordinality as k (id, n) join %s t on t.%I = k.id',
    fields, key_type, described.table_id, described.key_column
  );
  perform set_config('search_path', described.search_path, true);
  execute statement
  into images
  using ids;
  perform federation.require_as_read(resource, seen);
  return jsonb_build_object('known', known, 'images', images);
end;
$$;
revoke all on function federation.read_as_user(text, text[]) from public;
comment on function federation.read_as_user(text, text[]) is
  'Rows that a local user sees, as text of the table''s row type, columns that may not be read null; and which may be read.';
