-- Guarantees: a scope that is stored has the published shape (src/config/scope.schema.json) and names only resources that exist.
create or replace function federation.check_scope(scope jsonb) returns void
language plpgsql
stable
security definer -- reads the names of resources
set search_path = ''
as $$
declare
  entry record;
  complaint text;
  path text;
begin
  if scope is null or jsonb_typeof(scope) <> 'object' then
    raise exception 'A scope is a JSON object.' using errcode = 'MF020', detail = '{"path": ""}';
  end if;
  if not scope ? 'resources' then
    raise exception 'A scope names its resources.' using errcode = 'MF020', detail = '{"path": "resources"}';
  end if;
  for entry in select e.key, e.value from jsonb_each(scope) as e order by e.key loop
    path := entry.key;
    complaint := case entry.key
      when 'resources' then
        case
          when not federation.is_text_array(entry.value) then 'is a list of resource names'
          when jsonb_array_length(entry.value) = 0 then 'names at least one resource'
        end
      when 'excluded_resources' then
        case when not federation.is_text_array(entry.value) then 'is a list of resource names' end
      when 'include_teams' then
        case when entry.value <> '"*"'::jsonb and not federation.is_text_array(entry.value) then 'is "*" or a list of team ids' end
      when 'include_personal' then
        case when jsonb_typeof(entry.value) <> 'boolean' then 'is true or false' end
      when 'max_rows_per_query' then
        case
          when jsonb_typeof(entry.value) <> 'number' or entry.value::numeric % 1 <> 0 or entry.value::numeric not between 1 and 10000
            then 'is a whole number from 1 to 10000'
        end
      else 'is not a key of a scope'
    end;
    if complaint is null and entry.key in ('resources', 'excluded_resources') then
      select format('names "%s", which is not a registered resource', n.name) into complaint
      from jsonb_array_elements_text(entry.value) as n (name)
      where not exists (select from federation.federation_resources r where r.name = n.name)
      limit 1;
    end if;
    if complaint is not null then
      raise exception 'Scope: "%" %.', path, complaint
        using errcode = 'MF020', detail = jsonb_build_object('path', path)::text;
    end if;
  end loop;
end;
$$;
revoke all on function federation.check_scope(jsonb) from public;
grant execute on function federation.check_scope(jsonb) to federation_admin;
comment on function federation.check_scope(jsonb) is 'Raises MF020, with the path in detail, unless the scope is well-formed and names only registered resources.';

create or replace function federation.is_text_array(value jsonb) returns boolean
language sql
immutable strict
parallel safe
set search_path = ''
as $$
  select case jsonb_typeof(value)
    when 'array' then not exists (
      select from jsonb_array_elements(value) as e (item)
      where jsonb_typeof(e.item) <> 'string' or length(e.item #>> '{}') not between 1 and 256
    )
    else false
  end;
$$;
revoke all on function federation.is_text_array(jsonb) from public;
comment on function federation.is_text_array(jsonb) is 'Whether a value is a JSON list of strings of 1 to 256 characters.';
