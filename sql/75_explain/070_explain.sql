-- Guarantees: an administrator learns of rows what the grant's subject may see, and of others only where the administrator's own login can read them; a subject
-- learns of the grants that speak for them, and of no row or column that is not theirs. Whoever asks for another's rows is in the audit log once
-- the transaction commits: an administrator who rolls it back in psql has looked, and no row of the audit log says so.
drop function if exists federation.audit_look(text, uuid, text, integer);
drop function if exists federation.audit_look(text, uuid, text, integer, jsonb);
create or replace function federation.audit_look(
  verb text, grant_id uuid, resource text, rows integer, details jsonb default '{}', subject text default null
) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  entry federation.federation_audit_log;
begin
  select g.id, g.subject_user_id, g.peer_host into entry.grant_id, entry.subject_user_id, entry.peer_host
  from federation.federation_grants g where g.id = audit_look.grant_id;
  entry.subject_user_id := coalesce(entry.subject_user_id, audit_look.subject);
  entry.at := clock_timestamp();
  entry.verb := audit_look.verb;
  entry.resource := (select r.name from federation.federation_resources r where r.name = audit_look.resource);
  entry.outcome := 'served';
  entry.code := 'OK';
  entry.row_count := rows;
  entry.bytes_out := 0;
  entry.latency_ms := 0;
  entry.actor := federation.current_actor();
  entry.details := nullif(coalesce(federation.actor_details(), '{}') || audit_look.details, '{}');
  perform federation.append_to_chain('admin', array[entry]);
end;
$$;
revoke all on function federation.audit_look(text, uuid, text, integer, jsonb, text) from public;
comment on function federation.audit_look(text, uuid, text, integer, jsonb, text) is
  'Writes to the audit log that an administrator looked at what a grant lets out, or one of this subject would.';

create or replace function federation.require_subject(user_id text, grant_id uuid) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if not exists (
    select from federation.federation_grants g where g.id = require_subject.grant_id and g.subject_user_id = require_subject.user_id
  ) then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.require_subject(text, uuid) from public;
comment on function federation.require_subject(text, uuid) is 'Raises MF011 unless the grant is there and speaks for the user: the two are not told apart.';

create or replace function federation.explain_as_administrator(
  grant_id uuid, resource text, id text, filter jsonb, most integer, held jsonb
) returns jsonb
language plpgsql
volatile
security definer -- administrators have a right on neither grants nor rows; what they ask is asked as the subject and the peer
set search_path = ''
as $$
declare
  explained jsonb;
begin
  if not exists (select from federation.federation_grants g where g.id = explain_as_administrator.grant_id) then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  explained := federation.explain_grant(grant_id, resource, id, filter, most, held, false);
  perform federation.audit_look('grant.explained', grant_id, resource, jsonb_array_length(explained -> 'rows'));
  return explained;
end;
$$;
revoke all on function federation.explain_as_administrator(uuid, text, text, jsonb, integer, jsonb) from public;
grant execute on function federation.explain_as_administrator(uuid, text, text, jsonb, integer, jsonb) to federation_admin;
comment on function federation.explain_as_administrator(uuid, text, text, jsonb, integer, jsonb) is
  'The part of federation.explain, which is what administrators call, that runs with the rights of the federation.';

create or replace function federation.read_as_caller(resource text, id text) returns jsonb
language plpgsql
volatile
set search_path = ''
set row_security = on
as $$
declare
  registered record;
  key_type record;
  images text[];
begin
  select r.table_id, r.key_column into registered from federation.list_resources() r where r.name = read_as_caller.resource;
  -- No policy is ever asked with the rights of an administrator, who may be a superuser, for policies call the code of whoever owns the table.
  if not found or row_security_active(registered.table_id) or not has_table_privilege(registered.table_id, 'select') then
    return null;
  end if;
  -- Nor the code that planning a query runs: expressions of indexes, of constraints and of statistics belong to who owns the table or a part of it.
  if exists (
    with recursive parts (id) as (
      select registered.table_id::oid
      union
      select i.inhrelid from pg_inherits i join parts on i.inhparent = parts.id
    )
    select from parts join pg_class c on c.oid = parts.id join pg_roles o on o.oid = c.relowner
    where o.rolname <> current_user and not o.rolsuper
  ) then
    return null;
  end if;
  -- Nor a type's own casts and operators.
  select b.oid, format_type(b.oid, -1) as name into key_type
  from pg_attribute a
  join pg_type t on t.oid = a.atttypid
  join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
  where a.attrelid = registered.table_id and a.attname = registered.key_column
    and (b.typtype = 'e' or (b.typtype = 'b' and b.typnamespace = 'pg_catalog'::regnamespace));
  if not found then
    return null;
  end if;
  -- A second lock: where row-level security would hold after all, the query fails. The function's own setting ends this one.
  perform set_config('row_security', 'off', true);
  execute format(
    'select array_agg(format(''%%s'', t.*)) from %s t where t.%I operator(pg_catalog.=) $1::%s', registered.table_id, registered.key_column, key_type.name
  )
  into images
  using id;
  return jsonb_build_object('known', null, 'images', coalesce(images, '{}'));
exception
  -- An id that is no value of the key's type is refused where the request is made.
  when data_exception then
    return null;
end;
$$;
revoke all on function federation.read_as_caller(text, text) from public;
grant execute on function federation.read_as_caller(text, text) to federation_admin;
comment on function federation.read_as_caller(text, text) is
  'A row as text of its row type, if the caller''s own login can read the table and row-level security does not hold for it; else null.';

create or replace function federation.explain(
  grant_id uuid, resource text, id text default null, filter jsonb default null, most integer default 20
) returns jsonb
language sql
volatile
set search_path = ''
as $$
  select federation.explain_as_administrator(
    grant_id, resource, id, filter, most, case when id is not null then federation.read_as_caller(resource, id) end
  );
$$;
revoke all on function federation.explain(uuid, text, text, jsonb, integer) from public;
grant execute on function federation.explain(uuid, text, text, jsonb, integer) to federation_admin;
comment on function federation.explain(uuid, text, text, jsonb, integer) is
  'Why a peer is served a resource, a row or the rows of a filter, or is not: each stage, each column, and for each row the policies by name and which stage decided. '
  'Is audited. Raises MF011, MF012.';

create or replace function federation.explain_for_user(
  user_id text, grant_id uuid, resource text, id text default null, filter jsonb default null, most integer default 20
) returns jsonb
language plpgsql
volatile
security definer -- the gateway has no right on grants
set search_path = ''
as $$
begin
  perform federation.require_subject(user_id, grant_id);
  return federation.explain_grant(grant_id, resource, id, filter, most, null, true);
end;
$$;
revoke all on function federation.explain_for_user(text, uuid, text, text, jsonb, integer) from public;
grant execute on function federation.explain_for_user(text, uuid, text, text, jsonb, integer) to federation_gateway;
comment on function federation.explain_for_user(text, uuid, text, text, jsonb, integer) is
  'As federation.explain, for a local user whom the gateway has authenticated and a grant that speaks for them; columns that are hidden are left out. Raises MF011, MF012.';
