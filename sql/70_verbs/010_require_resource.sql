-- Guarantees: a verb runs only while its grant is active; a resource that is unknown, excluded or not in scope is one and the same error.
create or replace function federation.require_session_grant() returns federation.federation_grants
language plpgsql
stable
security definer -- peers cannot read grants
set search_path = ''
as $$
declare
  the_grant federation.federation_grants;
begin
  select g.* into the_grant from federation.session_grant g;
  if found then
    return the_grant;
  end if;
  -- The grant was active when the session opened: say what became of it.
  select g.* into the_grant
  from federation.current_session() as s (session)
  join federation.federation_grants g on g.id = (s.session ->> 'grant')::uuid;
  if not found then
    raise exception 'No such grant.' using errcode = 'MF001';
  end if;
  perform federation.require_status_active(the_grant.status, the_grant.expires_at);
  raise exception 'The certificate has been revoked or has ended.' using errcode = 'MF007';
end;
$$;
revoke all on function federation.require_session_grant() from public;
comment on function federation.require_session_grant() is 'The active grant of this session. Raises MF001 and MF003 to MF007.';

create or replace function federation.require_resource(resource text) returns integer
language plpgsql
stable
security definer -- peers cannot read grants
set search_path = ''
as $$
declare
  scope constant jsonb := federation.session_facts() -> 'scope';
begin
  if scope is null then
    perform federation.require_session_grant();
  end if;
  if federation.scope_names(scope, resource) is not true then
    raise exception 'The grant does not reach this resource.' using errcode = 'MF010';
  end if;
  return federation.scope_most_rows(scope);
end;
$$;
revoke all on function federation.require_resource(text) from public;
grant execute on function federation.require_resource(text) to federation_peer;
comment on function federation.require_resource(text) is
  'The most rows that one query may return. Raises MF001 to MF007 unless the grant is active, MF010 unless its scope admits the resource.';

create or replace function federation.require_active() returns void
language sql
stable
security definer -- peers cannot read grants
set search_path = ''
as $$
  select federation.require_session_grant();
$$;
revoke all on function federation.require_active() from public;
grant execute on function federation.require_active() to federation_peer;
comment on function federation.require_active() is 'Raises MF001 to MF007 unless the grant of this session is active.';
