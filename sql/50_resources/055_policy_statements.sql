-- Guarantees: the text of the two policies. Every call in them stands in (select …), so that it runs once a query and not once a row.
-- Relies on: federation.current_subject, current_teams and the readers of the scope; all yield nothing without a live session.
create or replace function federation.native_policy_statement(name text, table_id regclass, owner text, team text) returns text
language sql
stable
set search_path = ''
as $$
  select format(
    'create policy %I on %s as permissive for select to federation_peer, federation_user using (%s = (select federation.current_subject())::%s%s)',
    name || '_native', table_id,
    federation.row_expression(table_id, owner), federation.expression_type(table_id, owner),
    case
      when team is null then ''
      else format(
        ' or %s = any ((select federation.current_teams())::%s[])',
        federation.row_expression(table_id, team), federation.expression_type(table_id, team)
      )
    end
  );
$$;
revoke all on function federation.native_policy_statement(text, regclass, text, text) from public;
grant execute on function federation.native_policy_statement(text, regclass, text, text) to federation_admin;
comment on function federation.native_policy_statement(text, regclass, text, text) is
  'The permissive policy of a table that had none: a row is its owner''s, and its team''s members''.';

create or replace function federation.scope_policy_statement(name text, table_id regclass, team text) returns text
language sql
stable
set search_path = ''
as $$
  select format(
    'create policy %I on %s as restrictive for all to federation_peer using ((select federation.scope_admits(%L)) and %s) with check (false)',
    name || '_scope', table_id, name,
    case
      when team is null then '(select federation.scope_personal())'
      else format(
        'case when %1$s is null then (select federation.scope_personal()) else %1$s = any ((select federation.scope_teams())::%2$s[]) end',
        federation.row_expression(table_id, team), federation.expression_type(table_id, team)
      )
    end
  );
$$;
revoke all on function federation.scope_policy_statement(text, regclass, text) from public;
grant execute on function federation.scope_policy_statement(text, regclass, text) to federation_admin;
comment on function federation.scope_policy_statement(text, regclass, text) is
  'The restrictive policy of a resource: the grant is active now, names the resource, and the row''s team (or its lack) is in scope.';

create or replace function federation.single_key(table_id regclass) returns name
language sql
stable strict
set search_path = ''
as $$
  select a.attname
  from pg_catalog.pg_index i
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  where i.indrelid = table_id and i.indisprimary and i.indnkeyatts = 1;
$$;
revoke all on function federation.single_key(regclass) from public;
grant execute on function federation.single_key(regclass) to federation_admin;
comment on function federation.single_key(regclass) is 'The column of a primary key of one column; null where there is none.';

create or replace function federation.is_unique_key(table_id regclass, column_name name) returns boolean
language sql
stable strict
set search_path = ''
as $$
  select exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = table_id and i.indisunique and i.indisvalid and i.indpred is null and i.indnkeyatts = 1
      and a.attname = column_name and a.attnotnull
      -- From PostgreSQL 18 on, a column can be not null for new rows only.
      and not exists (
        select from pg_catalog.pg_constraint n
        where n.conrelid = table_id and n.contype = 'n' and not n.convalidated and a.attnum = any (n.conkey)
      )
  );
$$;
revoke all on function federation.is_unique_key(regclass, name) from public;
grant execute on function federation.is_unique_key(regclass, name) to federation_admin;
comment on function federation.is_unique_key(regclass, name) is 'Whether one not-null column alone identifies a row.';
