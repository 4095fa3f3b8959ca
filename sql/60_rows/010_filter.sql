-- Guarantees: a filter becomes conditions whose every identifier, type and operator comes from the catalogue or from this file; what the
-- caller wrote travels only as values, by position, in one array.
create or replace function federation.filter_conditions(
  resource text, filter jsonb, out conditions text[], out casts text[], out vals text[]
)
language plpgsql
stable
set search_path = ''
as $$
declare
  field record;
  term record;
  col record;
  comparison text;
  value text;
begin
  conditions := array[]::text[];
  casts := array[]::text[];
  vals := array[]::text[];
  if filter is null or filter = 'null'::jsonb then
    return;
  end if;
  if jsonb_typeof(filter) <> 'object' then
    raise exception 'A filter is an object of columns.' using errcode = 'MF012', detail = '{"path": "filter"}';
  end if;
  for field in select f.key, f.value from jsonb_each(filter) as f order by f.key loop
    select c.* into col from federation.resource_columns(resource) c where c.name = field.key and c.kind <> 'opaque';
    if not found or jsonb_typeof(field.value) <> 'object' then
      raise exception 'A filter names declared columns, each with an object of comparisons.'
        using errcode = 'MF012', detail = jsonb_build_object('path', 'filter.' || field.key)::text;
    end if;
    for term in select t.key, t.value from jsonb_each(field.value) as t order by t.key loop
      value := federation.comparison_value(col.kind, term.key, term.value);
      comparison := case term.key
        when 'eq' then '='
        when 'ne' then '<>'
        when 'lt' then '<'
        when 'lte' then '<='
        when 'gt' then '>'
        when 'gte' then '>='
        when 'in' then '= any'
        when 'isNull' then case value when 'true' then 'is null' else 'is not null' end
      end;
      if comparison is null or (value is null) then
        raise exception 'A comparison is eq, ne, lt, lte, gt, gte, in or isNull, with a value of the column''s kind.'
          using errcode = 'MF012', detail = jsonb_build_object('path', 'filter.' || field.key || '.' || term.key)::text;
      end if;
      if term.key = 'isNull' then
        conditions := conditions || format('t.%I %s', col.name, comparison);
      else
        vals := vals || value;
        casts := casts || (col.type || case term.key when 'in' then '[]' else '' end);
        conditions := conditions || format(
          't.%I %s (($1)[%s]::%s)', col.name, comparison, cardinality(vals), casts[cardinality(casts)]
        );
      end if;
      if cardinality(conditions) > 20 then
        raise exception 'A filter has at most 20 comparisons.' using errcode = 'MF012', detail = '{"path": "filter"}';
      end if;
    end loop;
  end loop;
end;
$$;
revoke all on function federation.filter_conditions(text, jsonb) from public;
grant execute on function federation.filter_conditions(text, jsonb) to federation_peer, federation_user;
comment on function federation.filter_conditions(text, jsonb) is
  'Conditions over the row alias t, the values they refer to as ($1)[n], and the type of each value. Raises MF012.';

create or replace function federation.comparison_value(kind text, operator text, operand jsonb) returns text
language sql
stable strict
set search_path = ''
as $$
  select case
    when operator = 'isNull' then case when jsonb_typeof(operand) = 'boolean' then operand #>> '{}' end
    when operator = 'in' then
      case
        when jsonb_typeof(operand) = 'array' and jsonb_array_length(operand) between 1 and 200 and not exists (
          select from jsonb_array_elements(operand) as e (item) where not federation.is_of_kind(kind, e.item)
        ) then array(select e.item from jsonb_array_elements_text(operand) as e (item))::text
      end
    when federation.is_of_kind(kind, operand) then operand #>> '{}'
  end;
$$;
revoke all on function federation.comparison_value(text, text, jsonb) from public;
grant execute on function federation.comparison_value(text, text, jsonb) to federation_peer, federation_user;
comment on function federation.comparison_value(text, text, jsonb) is
  'What a comparison is made with, as text (a list as an array literal); null where it is not of the column''s kind.';

create or replace function federation.is_of_kind(kind text, value jsonb) returns boolean
language sql
immutable strict
parallel safe
set search_path = ''
as $$
  -- Whole numbers beyond 2^53 cannot be said as JSON numbers by every client, so a number may also come as a string.
  select case kind
    when 'number' then jsonb_typeof(value) in ('number', 'string')
    else jsonb_typeof(value) = kind
  end;
$$;
revoke all on function federation.is_of_kind(text, jsonb) from public;
grant execute on function federation.is_of_kind(text, jsonb) to federation_peer, federation_user;
comment on function federation.is_of_kind(text, jsonb) is 'Whether a JSON value compares with a column of this kind.';

create or replace function federation.check_values(vals text[], casts text[]) returns void
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  expressions text;
begin
  select string_agg(format('($1)[%s]::%s', c.n, c.type), ', ') into expressions from unnest(casts) with ordinality as c (type, n);
  if expressions is not null then
    execute 'select ' || expressions using vals;
  end if;
exception
  -- A domain refuses with check_violation.
  when data_exception or check_violation then
    raise exception 'A value is not of its column''s type.' using errcode = 'MF012', detail = '{"path": "filter"}';
end;
$$;
revoke all on function federation.check_values(text[], text[]) from public;
grant execute on function federation.check_values(text[], text[]) to federation_peer, federation_user;
comment on function federation.check_values(text[], text[]) is
  'Raises MF012 unless every value can be read as its type. Apart from the query, so that a fault in a policy is never taken for a bad filter.';
