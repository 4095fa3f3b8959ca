-- Guarantees: an administrator's token is shown once and kept as a hash; whoever is removed is signed out by the same commit.
create or replace function federation.add_administrator(name text, oidc_issuer text default null, oidc_subject text default null)
returns table (administrator_id uuid, token text)
language plpgsql
volatile
security definer -- administrators are written through these functions only
set search_path = ''
as $$
begin
  if add_administrator.name is null or add_administrator.name !~ '^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,99}$' then
    raise exception 'An administrator is named by up to 100 letters, digits, dots, hyphens, underscores and at signs.'
      using errcode = 'MF012', detail = '{"path": "name"}';
  end if;
  if (add_administrator.oidc_issuer is null) <> (add_administrator.oidc_subject is null)
    or length(add_administrator.oidc_subject) not between 1 and 256 then
    raise exception 'A subject is one of an issuer, and has 1 to 256 characters.' using errcode = 'MF012', detail = '{"path": "oidc_subject"}';
  end if;
  if add_administrator.oidc_subject is null then
    token := 'mosaic_admin_' || federation.random_token();
  end if;
  insert into federation.federation_administrators as a (name, token_hash, oidc_issuer, oidc_subject, created_by)
  values (
    add_administrator.name, sha256(convert_to(token, 'UTF8')), add_administrator.oidc_issuer, add_administrator.oidc_subject,
    federation.current_actor()
  )
  on conflict do nothing
  returning a.id into administrator_id;
  if not found then
    raise exception 'There is an administrator of this name, or of this subject, already.' using errcode = 'MF031';
  end if;
  return next;
end;
$$;
revoke all on function federation.add_administrator(text, text, text) from public;
grant execute on function federation.add_administrator(text, text, text) to federation_admin;
comment on function federation.add_administrator(text, text, text) is
  'Who may run the federation from the pages: by a token, which is returned this once, or by the subject of an OpenID Connect issuer. Raises MF012, MF031.';

create or replace function federation.list_administrators()
returns table (
  administrator_id uuid, name text, has_token boolean, oidc_issuer text, oidc_subject text, created_at timestamptz, created_by text,
  last_seen_at timestamptz
)
language sql
stable
security definer -- administrators are read through this function only
set search_path = ''
as $$
  select
    a.id, a.name, a.token_hash is not null, a.oidc_issuer, a.oidc_subject, a.created_at, a.created_by,
    (select max(s.last_seen_at) from federation.federation_browser_sessions s where s.administrator_id = a.id)
  from federation.federation_administrators a
  order by a.name;
$$;
revoke all on function federation.list_administrators() from public;
grant execute on function federation.list_administrators() to federation_admin;
comment on function federation.list_administrators() is 'Who may run the federation from the pages, without hashes; last_seen_at is of sessions that are kept.';

create or replace function federation.remove_administrator(name text) returns void
language plpgsql
volatile
security definer -- administrators are written through these functions only
set search_path = ''
as $$
begin
  delete from federation.federation_administrators a where a.name = remove_administrator.name;
  if not found then
    raise exception 'There is no such administrator.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.remove_administrator(text) from public;
grant execute on function federation.remove_administrator(text) to federation_admin;
comment on function federation.remove_administrator(text) is 'Ends an administrator''s token and every session of theirs. Raises MF011.';
