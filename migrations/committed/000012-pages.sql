--! Previous: sha1:b82b2242af4b3427c19b18e80061bd175acd7e3b
--! Hash: sha1:58f7682aa31b65843e763963f5ef35b79bba518c
--! Message: pages

-- Who signs in to the pages, and what their browsers hold. The role and the schema by which the pages reach admin functions.
do $$
begin
  begin
    create role federation_pages nologin;
  exception
    when duplicate_object or unique_violation then null;
  end;
  if exists (select from pg_roles where rolname = 'federation_pages' and (rolsuper or rolbypassrls or rolcanlogin)) then
    raise exception 'a federation role already exists with SUPERUSER, BYPASSRLS or LOGIN'
      using hint = 'take these attributes from it, then migrate again: row-level security would not bind it';
  end if;
  if not pg_has_role('federation_gateway', 'federation_pages', 'member') then
    grant federation_pages to federation_gateway;
  end if;
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant federation_pages to %I', current_user);
  end if;
end
$$;

create schema admin_api authorization federation_owner;

set local role federation_owner;

comment on schema admin_api is 'What the pages may ask, each by one function: they decide whom they answer, and call the admin functions that everybody calls.';
grant usage on schema admin_api to federation_pages, federation_admin;

create table federation.federation_administrators (
  id uuid primary key default gen_random_uuid(),
  name text not null unique constraint federation_administrators_name check (name ~ '^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,99}$'),
  token_hash bytea unique constraint federation_administrators_hash check (octet_length(token_hash) = 32),
  oidc_issuer text,
  oidc_subject text constraint federation_administrators_subject check (length(oidc_subject) between 1 and 256),
  created_at timestamptz not null default now(),
  created_by text not null,
  constraint federation_administrators_oidc_key unique (oidc_issuer, oidc_subject),
  constraint federation_administrators_oidc check ((oidc_issuer is null) = (oidc_subject is null)),
  constraint federation_administrators_way_in check (token_hash is not null or oidc_subject is not null)
);
comment on table federation.federation_administrators is
  'People who run the federation from the pages: by a token, of which the SHA-256 is kept, or by an OpenID Connect provider.';
comment on column federation.federation_administrators.name is 'What the audit log says of who did something.';
comment on column federation.federation_administrators.oidc_issuer is
  'Whose subject it is: another provider''s subject of the same name is somebody else (OpenID Connect Core §5.7).';
comment on column federation.federation_administrators.created_by is 'Who added them: a database login, or the name of an administrator.';

create table federation.federation_browser_sessions (
  session_hash bytea primary key constraint federation_browser_sessions_hash check (octet_length(session_hash) = 32),
  administrator_id uuid references federation.federation_administrators on delete cascade,
  user_id text constraint federation_browser_sessions_user check (length(user_id) between 1 and 256),
  user_token_id uuid references federation.federation_user_tokens on delete cascade,
  signed_in_by text not null constraint federation_browser_sessions_signed_in_by check (signed_in_by in ('token', 'oidc')),
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint federation_browser_sessions_person check ((administrator_id is null) <> (user_id is null)),
  constraint federation_browser_sessions_token check ((user_token_id is not null) = (user_id is not null and signed_in_by = 'token'))
);
create index federation_browser_sessions_administrator_id_idx on federation.federation_browser_sessions (administrator_id);
create index federation_browser_sessions_user_token_id_idx on federation.federation_browser_sessions (user_token_id);
create index federation_browser_sessions_expires_at_idx on federation.federation_browser_sessions (expires_at);
comment on table federation.federation_browser_sessions is
  'Browsers that are signed in to the pages, by the SHA-256 of their cookie. A session ends with the token or the administrator that it is of.';
comment on column federation.federation_browser_sessions.last_seen_at is 'When the person last asked for something, to the minute; what a page asks by itself does not count.';

-- The last day and the last hour are asked for over and over.
create index federation_audit_log_at_idx on federation.federation_audit_log using brin (at);

comment on column federation.federation_audit_log.actor is
  'Who made a change: the database login or, where details say "via": "pages", the name of who was signed in there.';

-- It takes an argument more; sql/ makes it anew.
drop function if exists federation.list_audit(text, integer, text, text, text, timestamptz, timestamptz, bigint, boolean);

reset role;
