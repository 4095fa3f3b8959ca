-- Guarantees: a bearer token is shown once and kept as a hash; it is good for one existing user until it ends or is revoked.
create or replace function federation.create_user_token(user_id text, label text default null, expires_at timestamptz default null)
returns table (token_id uuid, token text)
language plpgsql
volatile
security definer -- administrators write tokens through this function only
set search_path = ''
as $$
begin
  perform federation.require_user(create_user_token.user_id);
  if create_user_token.expires_at <= now() then
    raise exception 'The end of a token lies in the future.' using errcode = 'MF012', detail = '{"path": "expires_at"}';
  end if;
  token := 'mosaic_' || federation.random_token();
  insert into federation.federation_user_tokens as t (token_hash, user_id, label, expires_at)
  values (sha256(convert_to(token, 'UTF8')), create_user_token.user_id, create_user_token.label, create_user_token.expires_at)
  returning t.id into token_id;
  return next;
end;
$$;
revoke all on function federation.create_user_token(text, text, timestamptz) from public;
grant execute on function federation.create_user_token(text, text, timestamptz) to federation_admin;
comment on function federation.create_user_token(text, text, timestamptz) is 'A bearer token by which the home listener knows a local user. Raises MF012, MF021, MF023.';

create or replace function federation.list_user_tokens()
returns table (token_id uuid, user_id text, label text, created_at timestamptz, expires_at timestamptz, revoked_at timestamptz)
language sql
stable
security definer -- administrators read tokens through this function only
set search_path = ''
as $$
  select t.id, t.user_id, t.label, t.created_at, t.expires_at, t.revoked_at
  from federation.federation_user_tokens t
  order by t.created_at desc, t.id;
$$;
revoke all on function federation.list_user_tokens() from public;
grant execute on function federation.list_user_tokens() to federation_admin;
comment on function federation.list_user_tokens() is 'Every bearer token of local users, without its hash, newest first.';

create or replace function federation.revoke_user_token(token_id uuid) returns void
language plpgsql
volatile
security definer -- administrators change tokens through this function only
set search_path = ''
as $$
begin
  update federation.federation_user_tokens t set revoked_at = coalesce(t.revoked_at, now()) where t.id = token_id;
  if not found then
    raise exception 'There is no such token.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.revoke_user_token(uuid) from public;
grant execute on function federation.revoke_user_token(uuid) to federation_admin;
comment on function federation.revoke_user_token(uuid) is 'Ends a bearer token. Raises MF011.';

create or replace function federation.user_of_token(token text) returns text
language plpgsql -- whose plan is kept: each request of a local user asks
stable strict
security definer -- the gateway has no right on tokens
set search_path = ''
as $$
begin
  return (
    select t.user_id
    from federation.federation_user_tokens t
    where t.token_hash = sha256(convert_to(token, 'UTF8'))
      and t.revoked_at is null
      and (t.expires_at is null or t.expires_at > statement_timestamp())
      and federation.subject_exists(t.user_id)
  );
end;
$$;
revoke all on function federation.user_of_token(text) from public;
-- Of an earlier release.
revoke execute on function federation.user_of_token(text) from federation_gateway;
comment on function federation.user_of_token(text) is 'The local user of a live bearer token; null otherwise.';
