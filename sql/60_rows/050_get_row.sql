-- Guarantees: one row, if row-level security shows it to the current role; absent and hidden rows are the same error.
create or replace function federation.row_statement(resource text, table_id regclass, key_column name, key_value text) returns text
language sql
stable
set search_path = ''
as $$
  select concat(
    'select (select pg_catalog.row_to_json(r) from (select ', federation.select_columns(resource), ') r) from ', table_id, ' t where t.', quote_ident(key_column), ' = ',
    key_value
  );
$$;
revoke all on function federation.row_statement(text, regclass, name, text) from public;
grant execute on function federation.row_statement(text, regclass, name, text) to federation_peer, federation_user;
comment on function federation.row_statement(text, regclass, name, text) is 'The query for one row by its key, as JSON. The value is an expression of ours.';

create or replace function federation.get_row(resource text, id text) returns json
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
as $$
declare
  ready text;
  seen text;
  described record;
  key_type text;
  statement text;
  found_row json;
begin
  if id is null then
    raise exception 'A row is named by its id.' using errcode = 'MF012', detail = '{"path": "id"}';
  end if;
  -- Plans are kept for the rights of one role.
  if current_user = 'federation_peer' then
    begin
      ready := federation.readiness(resource, federation.prepared_mark(resource));
      if ready is not null then
        found_row := federation.prepared_get(resource, id);
      end if;
    exception
      -- As in list_rows.
      when undefined_object or undefined_function then
        ready := null;
    end;
  end if;
  if ready is null then
    seen := federation.registration_seen(resource);
    select d.* into described from federation.describe_resource(resource) d;
    if not found then
      raise exception 'The resource is not available.' using errcode = 'MF010';
    end if;
    if not described.is_protected then
      raise exception 'The resource is not available for now.' using errcode = 'MF013';
    end if;
    select c.type into strict key_type from federation.resource_columns(resource) c where c.name = described.key_column;
    perform federation.check_values(array[id], array[key_type]);
    statement := federation.row_statement(resource, described.table_id, described.key_column, '$1::' || key_type);
    perform pg_catalog.set_config('search_path', described.search_path, true);
    execute statement into found_row using id;
    perform pg_catalog.set_config('search_path', '', true);
    perform federation.require_as_read(resource, seen);
  end if;
  if found_row is null then
    raise exception 'There is no such row.' using errcode = 'MF011';
  end if;
  return found_row;
end;
$$;
revoke all on function federation.get_row(text, text) from public;
grant execute on function federation.get_row(text, text) to federation_peer, federation_user;
comment on function federation.get_row(text, text) is 'One row by its key, as JSON. Raises MF010, MF011, MF012, MF013.';
