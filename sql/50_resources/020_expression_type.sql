-- Guarantees: an owner or team expression is valid over a row of its table before any policy is made from it.
-- Relies on: the caller's own rights; only who may make the policy can have the expression read.
create or replace function federation.expression_type(table_id regclass, expression text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  type_name text;
  empty_row constant text := format(
    '(select (null::%s).*) as %I', table_id, (select c.relname from pg_catalog.pg_class c where c.oid = table_id)
  );
begin
  if expression ~ ';|--|/\*' then
    raise exception 'An owner or team is one SQL expression over the row.' using errcode = 'MF022';
  end if;
  -- With -1 the type has no length: "character" alone would cut what is cast to it to one letter.
  execute format('select format_type(pg_typeof(%s), -1) from %s', federation.row_expression(table_id, expression), empty_row)
  into type_name;
  if type_name is null or (select t.typtype in ('c', 'p') from pg_catalog.pg_type t where t.oid = to_regtype(type_name)) then
    raise exception 'The expression "%" is not one value for a row of %.', expression, table_id using errcode = 'MF022';
  end if;
  -- Between brackets here, between parentheses above: an expression that closes the one and opens another fails in the other.
  -- A WHERE clause takes what a policy takes: no aggregate, no window function, no set; ids are compared from text.
  execute format(
    'select from %s where array[%s] = array[null::text::%s]', empty_row,
    case when federation.column_type(table_id, expression::name) is null then expression else format('%I', expression) end, type_name
  );
  return type_name;
exception
  when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
    raise exception 'The expression "%" does not hold for a row of %.', expression, table_id
      using errcode = 'MF022', detail = sqlerrm;
end;
$$;
revoke all on function federation.expression_type(regclass, text) from public;
grant execute on function federation.expression_type(regclass, text) to federation_admin;
comment on function federation.expression_type(regclass, text) is 'The type of a SQL expression over a row of a table. Raises MF022.';

create or replace function federation.row_expression(table_id regclass, expression text) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when federation.column_type(table_id, expression::name) is not null then format('%I', expression)
    else format('(%s)', expression)
  end;
$$;
revoke all on function federation.row_expression(regclass, text) from public;
grant execute on function federation.row_expression(regclass, text) to federation_admin;
comment on function federation.row_expression(regclass, text) is 'A column name, quoted, or any other expression, in parentheses.';
