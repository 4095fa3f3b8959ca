-- Guarantees: an owner or team expression is valid over a row of its table before any policy is made from it.
-- Relies on: the caller's own rights; only who may make the policy can have the expression read.
create or replace function federation.expression_type(table_id regclass, expression text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  type_name text;
begin
  if expression ~ ';|--|/\*' then
    raise exception 'An owner or team is one SQL expression over the row.' using errcode = 'MF022';
  end if;
  execute format(
    'select pg_typeof(%s)::text from (select (null::%s).*) as %I',
    federation.row_expression(table_id, expression), table_id, (select c.relname from pg_catalog.pg_class c where c.oid = table_id)
  ) into type_name;
  return type_name;
exception
  when syntax_error_or_access_rule_violation then
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
