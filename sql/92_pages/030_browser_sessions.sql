-- Guarantees: a browser is signed in for 12 hours at most, 30 minutes after its person last asked for something at most, and no longer than the token, the
-- administrator or the user that it is of. The database keeps the hash of its cookie only.
create or replace function federation.is_live(session federation.federation_browser_sessions) returns boolean
language sql
stable
set search_path = ''
as $$
  select session.expires_at > statement_timestamp()
    and session.last_seen_at > statement_timestamp() - interval '30 minutes'
    and case
      when session.administrator_id is not null then true
      when session.user_token_id is not null then exists (
        select from federation.federation_user_tokens t
        where t.id = session.user_token_id and t.revoked_at is null and (t.expires_at is null or t.expires_at > statement_timestamp())
      )
      else true
    end
    and (session.user_id is null or coalesce(federation.subject_exists(session.user_id), false));
$$;
revoke all on function federation.is_live(federation.federation_browser_sessions) from public;
comment on function federation.is_live(federation.federation_browser_sessions) is 'Whether a browser is signed in now. A row of an administrator who is gone is gone, too.';

create or replace function federation.open_person(session federation.federation_browser_sessions) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  person constant jsonb := jsonb_build_object(
    'kind', 'person',
    'name', coalesce((select a.name from federation.federation_administrators a where a.id = session.administrator_id), session.user_id),
    'administrator', session.administrator_id is not null,
    'user', session.user_id,
    'signedInBy', session.signed_in_by,
    'expiresAt', to_jsonb(session.expires_at at time zone 'UTC') #>> '{}' || 'Z'
  );
begin
  perform federation.open_session(person);
  return person;
end;
$$;
revoke all on function federation.open_person(federation.federation_browser_sessions) from public;
comment on function federation.open_person(federation.federation_browser_sessions) is 'Makes this transaction one of the person of a browser session.';

create or replace function federation.start_browser_session(session federation.federation_browser_sessions) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  person jsonb;
begin
  delete from federation.federation_browser_sessions s
  where s.expires_at < now() or s.last_seen_at < now() - interval '30 minutes';
  session.created_at := now();
  session.last_seen_at := now();
  session.expires_at := now() + interval '12 hours';
  insert into federation.federation_browser_sessions select session.*;
  person := federation.open_person(session);
  perform federation.audit_person('pages.signed_in', null, jsonb_build_object('by', session.signed_in_by));
  return person;
end;
$$;
revoke all on function federation.start_browser_session(federation.federation_browser_sessions) from public;
comment on function federation.start_browser_session(federation.federation_browser_sessions) is
  'Keeps a new session and says so in the audit log; those that have ended are forgotten.';

create or replace function federation.sign_in_by_token(session_hash bytea, token text) returns jsonb
language plpgsql
volatile
security definer -- the gateway has no right on tokens, administrators or sessions
set search_path = ''
as $$
declare
  -- What is looked up is a hash: how long that takes says nothing of the token.
  hash constant bytea := sha256(convert_to(token, 'UTF8'));
  session federation.federation_browser_sessions;
begin
  select a.id into session.administrator_id from federation.federation_administrators a where a.token_hash = hash;
  if not found then
    select t.id, t.user_id into session.user_token_id, session.user_id from federation.federation_user_tokens t where t.token_hash = hash;
    if not found or federation.user_of_token(token) is null then
      raise exception 'The token is not one, or not any more.' using errcode = 'MF040';
    end if;
  end if;
  session.session_hash := sign_in_by_token.session_hash;
  session.signed_in_by := 'token';
  return federation.start_browser_session(session);
end;
$$;
revoke all on function federation.sign_in_by_token(bytea, text) from public;
grant execute on function federation.sign_in_by_token(bytea, text) to federation_gateway;
comment on function federation.sign_in_by_token(bytea, text) is
  'Signs a browser in as the administrator or the local user of a token; returns who that is. The session ends with the token. Raises MF040.';

create or replace function federation.sign_in_by_oidc(session_hash bytea, issuer text, oidc_subject text, user_id text) returns jsonb
language plpgsql
volatile
security definer -- administrators and sessions are read and written through these functions only
set search_path = ''
as $$
declare
  session federation.federation_browser_sessions;
begin
  select a.id into session.administrator_id
  from federation.federation_administrators a
  where a.oidc_issuer = sign_in_by_oidc.issuer and a.oidc_subject = sign_in_by_oidc.oidc_subject;
  if not found then
    if not coalesce(federation.subject_exists(sign_in_by_oidc.user_id), false) then
      raise exception 'Nobody here is known by this account.' using errcode = 'MF040';
    end if;
    session.user_id := federation.subject_key(sign_in_by_oidc.user_id);
  end if;
  session.session_hash := sign_in_by_oidc.session_hash;
  session.signed_in_by := 'oidc';
  return federation.start_browser_session(session);
end;
$$;
revoke all on function federation.sign_in_by_oidc(bytea, text, text, text) from public;
-- It believes whoever calls it: the login that serves requests could become any administrator by it.
grant execute on function federation.sign_in_by_oidc(bytea, text, text, text) to federation_admin;
comment on function federation.sign_in_by_oidc(bytea, text, text, text) is
  'Signs a browser in as whom an OpenID Connect provider has named: an administrator by issuer and subject, or else a local user. Whoever calls it has '
  'checked what the provider said. Raises MF040.';

create or replace function federation.enter_as_person(session_hash bytea, background boolean default false) returns jsonb
language plpgsql
volatile
security definer -- the gateway has no right on sessions, and cannot make the code of one
set search_path = ''
as $$
declare
  session federation.federation_browser_sessions;
begin
  select s.* into session from federation.federation_browser_sessions s where s.session_hash = enter_as_person.session_hash;
  if not found or not federation.is_live(session) then
    raise exception 'Nobody is signed in.' using errcode = 'MF040';
  end if;
  if not background and session.last_seen_at < now() - interval '1 minute' then
    -- Whoever else of this browser is at it says the same: nobody waits.
    update federation.federation_browser_sessions s
    set last_seen_at = now()
    where s.session_hash = (
      select l.session_hash from federation.federation_browser_sessions l
      where l.session_hash = enter_as_person.session_hash
      for no key update skip locked
    );
  end if;
  return federation.open_person(session);
end;
$$;
revoke all on function federation.enter_as_person(bytea, boolean) from public;
grant execute on function federation.enter_as_person(bytea, boolean) to federation_gateway, federation_admin;
comment on function federation.enter_as_person(bytea, boolean) is
  'Makes the rest of this transaction one of the person who is signed in by this session, and returns who that is. In the background, nobody has asked: an idle '
  'session goes on to its end. Raises MF040.';

create or replace function federation.sign_out(session_hash bytea) returns void
language plpgsql
volatile
security definer -- the gateway has no right on sessions
set search_path = ''
as $$
begin
  perform federation.enter_as_person(sign_out.session_hash, true);
  delete from federation.federation_browser_sessions s where s.session_hash = sign_out.session_hash;
  perform federation.audit_person('pages.signed_out');
end;
$$;
revoke all on function federation.sign_out(bytea) from public;
grant execute on function federation.sign_out(bytea) to federation_gateway;
comment on function federation.sign_out(bytea) is 'Ends a browser''s session. Raises MF040 where it has ended.';

create or replace function federation.end_browser_sessions(name text) returns integer
language plpgsql
volatile
security definer -- administrators have no right on sessions
set search_path = ''
as $$
declare
  ended integer;
begin
  delete from federation.federation_browser_sessions s
  where s.user_id = end_browser_sessions.name
    or s.administrator_id = (select a.id from federation.federation_administrators a where a.name = end_browser_sessions.name);
  get diagnostics ended = row_count;
  if ended = 0 then
    raise exception 'Nobody of this name is signed in.' using errcode = 'MF011';
  end if;
  perform federation.audit_person('pages.sessions_ended', null, jsonb_build_object('name', end_browser_sessions.name, 'sessions', ended));
  return ended;
end;
$$;
revoke all on function federation.end_browser_sessions(text) from public;
grant execute on function federation.end_browser_sessions(text) to federation_admin;
comment on function federation.end_browser_sessions(text) is
  'Signs out every browser of the administrator or the local user of this name, and returns how many these were; they may sign in again. Raises MF011 where there is none.';
