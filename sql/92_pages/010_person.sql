-- Guarantees: who is signed in to the pages is known to a transaction only through federation.enter_as_person, sealed into its session; what
-- it changes is in the audit log under that person's name.
-- Relies on: federation.current_session, which nobody can forge or carry over to another transaction.
create or replace function federation.current_person() returns jsonb
language sql
stable
set search_path = ''
as $$
  select s.session from federation.current_session() as s (session) where s.session ->> 'kind' = 'person';
$$;
revoke all on function federation.current_person() from public;
comment on function federation.current_person() is
  'Who is signed in: {"name", "administrator", "user", "signedInBy", "expiresAt"}; user is null for administrators. Null in a transaction of nobody.';

create or replace function federation.current_actor() returns text
language sql
stable
set search_path = ''
as $$
  select coalesce((select p.person ->> 'name' from federation.current_person() as p (person)), session_user::text);
$$;
revoke all on function federation.current_actor() from public;
comment on function federation.current_actor() is 'Who the audit log says made a change: the person who is signed in to the pages, or else the database login.';

create or replace function federation.actor_details() returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('via', 'pages', 'as', case when (p.person ->> 'administrator')::boolean then 'administrator' else 'user' end)
  from federation.current_person() as p (person)
  where p.person is not null;
$$;
revoke all on function federation.actor_details() from public;
comment on function federation.actor_details() is 'By which way and as what the actor came; null for a database login, which is its own.';

create or replace function federation.require_person() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  person constant jsonb := federation.current_person();
begin
  if person is null then
    raise exception 'Nobody is signed in.' using errcode = 'MF040';
  end if;
  return person;
end;
$$;
revoke all on function federation.require_person() from public;
comment on function federation.require_person() is 'Who is signed in. Raises MF040.';

create or replace function federation.require_administrator() returns void
language plpgsql
stable
security definer -- who registers a table does so by the rights of a login, which cannot read the person of the transaction
set search_path = ''
as $$
begin
  if not (federation.require_person() ->> 'administrator')::boolean then
    raise exception 'This is for administrators.' using errcode = 'MF041';
  end if;
end;
$$;
revoke all on function federation.require_administrator() from public;
grant execute on function federation.require_administrator() to federation_admin;
comment on function federation.require_administrator() is 'Raises MF041 unless an administrator is signed in, MF040 where nobody is.';

create or replace function federation.audit_person(verb text, grant_id uuid default null, details jsonb default '{}') returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  entry federation.federation_audit_log;
begin
  select g.id, g.subject_user_id, g.peer_host into entry.grant_id, entry.subject_user_id, entry.peer_host
  from federation.federation_grants g where g.id = audit_person.grant_id;
  entry.at := clock_timestamp();
  entry.verb := audit_person.verb;
  entry.outcome := 'served';
  entry.code := 'OK';
  entry.row_count := 0;
  entry.bytes_out := 0;
  entry.latency_ms := 0;
  entry.actor := federation.current_actor();
  entry.details := coalesce(federation.actor_details(), '{}') || audit_person.details;
  perform federation.append_to_chain('admin', array[entry]);
end;
$$;
revoke all on function federation.audit_person(text, uuid, jsonb) from public;
comment on function federation.audit_person(text, uuid, jsonb) is 'Writes to the audit log what a person, or a login, did that no trigger writes.';
