-- Guarantees: identity settings name a role and settings that an application's own policies read, and never the federation's own.
create or replace function federation.check_identity_settings(resource text, identity_settings jsonb) returns void
language plpgsql
stable
security definer -- reads the settings of the other resources
set search_path = ''
as $$
declare
  entry record;
begin
  if identity_settings is null or jsonb_typeof(identity_settings) <> 'object' then
    raise exception 'Identity settings are a JSON object.' using errcode = 'MF022';
  end if;
  for entry in select e.key, e.value from jsonb_each(identity_settings) as e loop
    if entry.key not in ('role', 'settings', 'search_path') then
      raise exception 'Identity settings know "role", "settings" and "search_path", not "%".', entry.key using errcode = 'MF022';
    end if;
    if entry.key in ('role', 'search_path') and jsonb_typeof(entry.value) <> 'string' then
      raise exception 'Identity settings: "%" is a string.', entry.key using errcode = 'MF022';
    end if;
    if entry.key = 'settings' and jsonb_typeof(entry.value) <> 'object' then
      raise exception 'Identity settings: "settings" is an object of setting names and values.' using errcode = 'MF022';
    end if;
  end loop;
  if identity_settings ? 'role' and not exists (
    select from pg_roles r
    where r.rolname = identity_settings ->> 'role'
      and not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^(federation_|pg_)'
  ) then
    raise exception 'Identity settings: the role does not exist, or row-level security would not bind it.' using errcode = 'MF022';
  end if;
  for entry in select e.key, e.value from jsonb_each(coalesce(identity_settings -> 'settings', '{}')) as e loop
    if entry.key !~ '^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$' or entry.key ~* '^federation\.' then
      raise exception 'Identity settings: "%" is not a setting that an application may read.', entry.key using errcode = 'MF022';
    end if;
    if jsonb_typeof(entry.value) not in ('string', 'object') then
      raise exception 'Identity settings: "%" is a string or an object.', entry.key using errcode = 'MF022';
    end if;
    if exists (
      select from federation.federation_resources r
      where r.name <> resource
        and r.identity_settings -> 'settings' ? entry.key
        and r.identity_settings -> 'settings' -> entry.key <> entry.value
    ) then
      raise exception 'Identity settings: another resource gives "%" another value.', entry.key using errcode = 'MF022';
    end if;
  end loop;
end;
$$;
revoke all on function federation.check_identity_settings(text, jsonb) from public;
grant execute on function federation.check_identity_settings(text, jsonb) to federation_admin;
comment on function federation.check_identity_settings(text, jsonb) is 'Raises MF022 unless identity settings are well-formed and agree with those of other resources.';
