-- No policy calls a function outside of (select …), which Postgres computes once a query; outside, it is called for each row.
-- Immutable functions, which can only be of the row's own columns, are fine.
with expressions as (
  select p.polname, p.polrelid, regexp_replace(e.expression, $$'([^']|'')*'$$, '''''', 'g') as expression
  from pg_policy p
  cross join lateral (
    values (pg_get_expr(p.polqual, p.polrelid)), (pg_get_expr(p.polwithcheck, p.polrelid))
  ) as e (expression)
  where e.expression is not null
),
tokens as (
  select e.polname, e.polrelid, e.expression, t.n, t.token[1] as token
  from expressions e
  cross join lateral regexp_matches(e.expression, '\( ?SELECT\y|[[:alnum:]_."]*\(|\)', 'g') with ordinality as t (token, n)
),
nested as (
  select t.*, sum(case t.token when ')' then -1 else 1 end) over (partition by t.polrelid, t.polname, t.expression order by t.n) as depth
  from tokens t
)
select format('%s) in policy %I on %s', call.token, call.polname, call.polrelid::regclass) as found
from nested call
where call.token ~ '^[[:alnum:]_."]+\($'
  and exists (
    select from pg_proc p where p.proname = (regexp_match(call.token, '([[:alnum:]_]+)"?\($'))[1] and p.provolatile <> 'i'
  )
  and not exists (
    select
    from nested opening
    where (opening.polrelid, opening.polname, opening.expression) = (call.polrelid, call.polname, call.expression)
      and opening.token ~ 'SELECT$'
      and opening.n < call.n
      -- Still open: from there to the call, nothing has closed it.
      and not exists (
        select
        from nested closing
        where (closing.polrelid, closing.polname, closing.expression) = (call.polrelid, call.polname, call.expression)
          and closing.n between opening.n and call.n
          and closing.depth < opening.depth
      )
  );
