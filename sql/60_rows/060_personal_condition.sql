-- Guarantees: rows are read team by team only where the table's policies, as they are written, show no row that such a reading would miss. Where this
-- cannot be told, the answer is null, and the table is read by one query.
-- Relies on: how Postgres writes a policy back (pg_get_expr, with an empty search path): alternatives side by side, each in parentheses.
create or replace function federation.alternatives(condition text) returns text[]
language plpgsql
immutable strict
set search_path = ''
as $$
declare
  letter text;
  quoted text;
  depth integer := 0;
  start integer := 2;
  found text[] := '{}';
begin
  for n in 1..length(condition) loop
    letter := substr(condition, n, 1);
    if quoted is not null then
      -- A doubled quote ends and begins again.
      quoted := nullif(quoted, letter);
    elsif letter in ('''', '"') then
      quoted := letter;
    elsif letter in ('(', '[') then
      depth := depth + 1;
    elsif letter in (')', ']') then
      depth := depth - 1;
      -- The first parenthesis is not around all of it.
      if depth = 0 and n < length(condition) then
        return array[condition];
      end if;
    elsif depth = 1 and substr(condition, n, 4) = ' OR ' then
      found := found || substr(condition, start, n - start);
      start := n + 4;
    elsif depth = 0 then
      return array[condition];
    end if;
  end loop;
  return found || substr(condition, start, length(condition) - start);
end;
$$;
revoke all on function federation.alternatives(text) from public;
comment on function federation.alternatives(text) is 'The alternatives of a condition as Postgres writes it, one where it is no "or".';

create or replace function federation.plainly(condition text) returns text
language sql
immutable strict
set search_path = ''
as $$
  select regexp_replace(condition, '::"?[a-z][a-z0-9_ ."]*(\[\])?|[()\s]', '', 'gi');
$$;
revoke all on function federation.plainly(text) from public;
comment on function federation.plainly(text) is 'A condition without casts, parentheses and space, for comparison with one of ours.';

create or replace function federation.personal_condition(resource text, out condition text, out native_policy oid)
language plpgsql
stable
set search_path = ''
as $$
declare
  registered federation.federation_resources;
  team constant text := (
    select quote_ident(a.attname)
    from federation.federation_resources r
    join pg_attribute a on a.attrelid = r.table_id and a.attname = r.team_expression and a.attnum > 0 and not a.attisdropped
    -- Types of which equal values are one value, so that no row is of two teams; and a column that peers may read.
    where r.name = resource
      and a.attname = any (r.columns)
      and a.atttypid in (
        'text'::regtype, 'character varying'::regtype, 'uuid'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype
      )
      and not exists (select from pg_collation l where l.oid = a.attcollation and not l.collisdeterministic)
  );
  scope_policy text;
  native_policies oid[];
  native_condition text;
  personal text;
begin
  select r.* into strict registered from federation.federation_resources r where r.name = resource;
  select
    max(pg_get_expr(p.polqual, p.polrelid)) filter (where p.polname = resource || '_scope' and not p.polpermissive),
    array_agg(p.oid) filter (
      where p.polpermissive and p.polcmd in ('r', '*')
        and not (
          p.polname = resource || '_others'
          and federation.plainly(pg_get_expr(p.polqual, p.polrelid))
            = 'SELECTCURRENT_USERAS"current_user"<>ALLARRAY[''federation_peer'',''federation_user'']'
        )
    )
  into scope_policy, native_policies
  from pg_policy p
  where p.polrelid = registered.table_id;
  if team is null or cardinality(native_policies) is distinct from 1
    or federation.plainly(scope_policy) is distinct from federation.plainly(concat(
      'SELECT federation.scope_admits', quote_literal(resource), ' AS scope_admits AND CASE WHEN ', team,
      ' IS NULL THEN SELECT federation.scope_personal AS scope_personal ELSE ', team, ' = ANY SELECT federation.scope_teams AS scope_teams END'
    ))
  then
    return;
  end if;
  native_condition := (select pg_get_expr(p.polqual, p.polrelid) from pg_policy p where p.oid = native_policies[1]);
  -- What compares the team is true of no row without one: there, the other alternatives decide.
  select coalesce(string_agg(a.condition, ' or '), 'false') into personal
  from unnest(federation.alternatives(native_condition)) as a (condition)
  where not (
    starts_with(a.condition, '(' || team || ' = ANY (')
    or starts_with(a.condition, '((' || team || ')::text = ANY (')
    or starts_with(a.condition, '(' || team || ' IN ( SELECT ')
  );
  -- A column that is named with its table stands in a query of the policy's own, where it would not be found under another name.
  if strpos(personal, (select quote_ident(c.relname) || '.' from pg_class c where c.oid = registered.table_id)) = 0 then
    condition := personal;
    native_policy := native_policies[1];
  end if;
end;
$$;
revoke all on function federation.personal_condition(text) from public;
comment on function federation.personal_condition(text) is
  'What the policies of a resource''s table ask of a row without a team, and the policy whose words these are; null where its rows cannot be read team by team.';
