-- Guarantees: administrators add and remove administrators by the functions behind the command; a token is told this once, and nobody locks themselves out.
create or replace function admin_api.add_administrator(name text) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  added record;
begin
  perform federation.require_administrator();
  select a.* into strict added from federation.add_administrator(add_administrator.name) a;
  return jsonb_build_object(
    'token', added.token,
    'administrator', (select a.item from jsonb_array_elements(admin_api.administrators()) as a (item) where a.item ->> 'id' = added.administrator_id::text)
  );
end;
$$;
revoke all on function admin_api.add_administrator(text) from public;
grant execute on function admin_api.add_administrator(text) to federation_pages;
comment on function admin_api.add_administrator(text) is
  'federation.add_administrator with a token, which is told this once, for an administrator. Raises MF012, MF031, MF040, MF041.';

create or replace function admin_api.remove_administrator(name text) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  if remove_administrator.name = federation.current_actor() then
    raise exception 'Nobody removes themselves: another administrator can, or the command.' using errcode = 'MF031';
  end if;
  perform federation.remove_administrator(remove_administrator.name);
  return to_jsonb(remove_administrator.name);
end;
$$;
revoke all on function admin_api.remove_administrator(text) from public;
grant execute on function admin_api.remove_administrator(text) to federation_pages;
comment on function admin_api.remove_administrator(text) is
  'federation.remove_administrator, for another administrator; their sessions end with it. Raises MF011, MF031, MF040, MF041.';
