-- Guarantees: one row, if row-level security shows it to the current role; absent and hidden rows are the same error.
create or replace function federation.get_row(resource text, id text) returns json
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
as $$
declare
  described record;
  key_type text;
  found_row json;
begin
  select d.* into described from federation.describe_resource(resource) d;
  if not found then
    raise exception 'The resource is not available.' using errcode = 'MF010';
  end if;
  if not described.is_protected then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;
  if id is null then
    raise exception 'A row is named by its id.' using errcode = 'MF012', detail = '{"path": "id"}';
  end if;
  select c.type into strict key_type from federation.resource_columns(resource) c where c.name = described.key_column;
  perform federation.check_values(array[id], array[key_type]);
  perform set_config('search_path', described.search_path, true);
  execute format(
    'select (select row_to_json(r.*) from (select %s) r) from %s t where t.%I = $1::%s',
    federation.select_columns(resource), described.table_id, described.key_column, key_type
  )
  into found_row
  using id;
  if found_row is null then
    raise exception 'There is no such row.' using errcode = 'MF011';
  end if;
  return found_row;
end;
$$;
revoke all on function federation.get_row(text, text) from public;
grant execute on function federation.get_row(text, text) to federation_peer, federation_user;
comment on function federation.get_row(text, text) is 'One row by its key, as JSON. Raises MF010, MF011, MF012, MF013.';
