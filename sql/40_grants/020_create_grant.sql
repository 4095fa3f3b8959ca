-- Guarantees: a grant begins pending, for a user who exists, with a scope that was checked; its token is shown once and kept as a hash.
create or replace function federation.subject_of_grant(user_id text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  -- As the row says it: what is compared with it when the row goes.
  subject constant text := federation.subject_key(user_id);
begin
  if not exists (select from federation.federation_identity) then
    raise exception 'No users table is bound yet.'
      using errcode = 'MF023', hint = 'Call federation.bind_identity first.';
  end if;
  if subject is null then
    raise exception 'There is no such user.' using errcode = 'MF021', detail = '{"path": "subject_user_id"}';
  end if;
  return subject;
end;
$$;
revoke all on function federation.subject_of_grant(text) from public;
comment on function federation.subject_of_grant(text) is 'The user whom a grant is to speak for, as their row says it. Raises MF021, MF023.';

create or replace function federation.create_grant(
  subject_user_id text,
  peer_host text,
  scope jsonb,
  expires_at timestamptz default null
) returns table (grant_id uuid, enrollment_token text, token_expires_at timestamptz, enrollment_url text)
language plpgsql
volatile
security definer -- administrators write grants through this function only
set search_path = ''
as $$
#variable_conflict use_column
declare
  subject constant text := federation.subject_of_grant(create_grant.subject_user_id);
begin
  if create_grant.peer_host is null or create_grant.peer_host !~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$' then
    raise exception 'A peer is named by its host: lower-case letters, digits, dots and hyphens.'
      using errcode = 'MF012', detail = '{"path": "peer_host"}';
  end if;
  if create_grant.expires_at <= now() then
    raise exception 'The end of a grant lies in the future.' using errcode = 'MF012', detail = '{"path": "expires_at"}';
  end if;
  perform federation.check_scope(create_grant.scope);
  insert into federation.federation_grants (subject_user_id, peer_host, scope, expires_at, created_by)
  values (subject, create_grant.peer_host, create_grant.scope, create_grant.expires_at, federation.current_actor())
  returning id into grant_id;
  return query
  select create_grant.grant_id, t.enrollment_token, t.token_expires_at, t.enrollment_url
  from federation.create_enrollment_token(create_grant.grant_id) t;
end;
$$;
revoke all on function federation.create_grant(text, text, jsonb, timestamptz) from public;
grant execute on function federation.create_grant(text, text, jsonb, timestamptz) to federation_admin;
comment on function federation.create_grant(text, text, jsonb, timestamptz) is
  'Creates a pending grant and its one-time enrollment token (15 minutes). Raises MF012, MF020, MF021, MF023.';
