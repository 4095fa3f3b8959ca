-- Guarantees: a table is registered by choosing columns of it: no expression and no other text of a browser reaches SQL as code.
-- Relies on: the rights over the table of the login that the gateway registers with, as federation.register_resource.
create or replace function admin_api.register_resource(
  name text, "table" text, owner text default null, team text default null, text_columns text[] default null, time_column text default null,
  key_column text default null, hidden_columns text[] default null
) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  table_id regclass;
  unknown_column text;
begin
  perform federation.require_administrator();
  select o.table_id into table_id from federation.tables_of_applications() o where o.name = register_resource."table";
  if not found then
    raise exception 'There is no such table.' using errcode = 'MF022', detail = '{"path": "table"}';
  end if;
  select c.name into unknown_column
  from unnest(array[owner, team, time_column, key_column] || text_columns || hidden_columns) as c (name)
  where c.name is not null and not exists (
    select from pg_catalog.pg_attribute a where a.attrelid = table_id and a.attname = c.name and a.attnum > 0 and not a.attisdropped
  )
  limit 1;
  if unknown_column is not null then
    raise exception 'The table has no column "%".', unknown_column using errcode = 'MF022', detail = '{"path": "columns"}';
  end if;
  perform federation.register_resource(
    register_resource.name, table_id, quote_ident(owner), quote_ident(team), coalesce(text_columns, '{}')::name[], time_column::name,
    key_column => key_column::name, hidden_columns => coalesce(hidden_columns, '{}')::name[]
  );
  return federation.registered_resource(register_resource.name);
end;
$$;
revoke all on function admin_api.register_resource(text, text, text, text, text[], text, text, text[]) from public;
grant execute on function admin_api.register_resource(text, text, text, text, text[], text, text, text[]) to federation_admin;
comment on function admin_api.register_resource(text, text, text, text, text[], text, text, text[]) is
  'federation.register_resource, for an administrator who chose a table and columns of it. Raises MF022, MF031, MF040, MF041.';

create or replace function admin_api.unregister_resource(name text) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  perform federation.unregister_resource(unregister_resource.name);
  return to_jsonb(unregister_resource.name);
end;
$$;
revoke all on function admin_api.unregister_resource(text) from public;
grant execute on function admin_api.unregister_resource(text) to federation_admin;
comment on function admin_api.unregister_resource(text) is 'federation.unregister_resource, for an administrator. Raises MF011, MF031, MF040, MF041.';

create or replace function federation.registered_resource(name text) returns jsonb
language sql
stable
security definer -- administrators have no right on the tables
set search_path = ''
as $$
  select r.item from federation.shown_resources(name) as r (item);
$$;
revoke all on function federation.registered_resource(text) from public;
grant execute on function federation.registered_resource(text) to federation_admin;
comment on function federation.registered_resource(text) is 'A resource as the pages show it. Raises MF040.';
