-- Guarantees: rows come in a total order over declared columns, the key last; both directions are as Postgres defines them (nulls last
-- ascending, first descending).
create or replace function federation.order_terms(resource text, "order" jsonb)
returns table (name name, type text, is_nullable boolean, descending boolean)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
declare
  described record;
  terms jsonb;
  term jsonb;
  col record;
  seen name[] := '{}';
begin
  select d.* into described from federation.describe_resource(resource) d;
  terms := coalesce(nullif("order", 'null'::jsonb), described.order_by);
  if jsonb_typeof(terms) <> 'array' or jsonb_array_length(terms) > 4 then
    raise exception 'An order is a list of at most 4 columns.' using errcode = 'MF012', detail = '{"path": "order"}';
  end if;
  for term in
    select e.item from jsonb_array_elements(terms) as e (item)
    union all select jsonb_build_object('column', described.key_column)
  loop
    if jsonb_typeof(term) <> 'object' or exists (select from jsonb_object_keys(term) as k (key) where k.key not in ('column', 'direction'))
      or coalesce(term ->> 'direction', 'asc') not in ('asc', 'desc') then
      raise exception 'An order term is {"column", "direction": "asc" or "desc"}.' using errcode = 'MF012', detail = '{"path": "order"}';
    end if;
    select c.* into col from federation.resource_columns(resource) c where c.name = term ->> 'column' and c.kind <> 'opaque';
    if not found then
      raise exception 'An order names declared columns.' using errcode = 'MF012', detail = '{"path": "order"}';
    end if;
    if col.name = any (seen) then
      continue;
    end if;
    seen := seen || col.name;
    name := col.name;
    type := col.type;
    is_nullable := col.is_nullable;
    descending := coalesce(term ->> 'direction', 'asc') = 'desc';
    return next;
    -- What follows the key orders nothing.
    exit when col.name = described.key_column;
  end loop;
end;
$$;
revoke all on function federation.order_terms(text, jsonb) from public;
grant execute on function federation.order_terms(text, jsonb) to federation_peer, federation_user, federation_admin;
comment on function federation.order_terms(text, jsonb) is 'The terms of an order, the key last. Raises MF012.';

create or replace function federation.keyset_ranges(
  names name[], types text[], nullables boolean[], descendings boolean[], keyset text[]
) returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  beyond text;
  tie text := '';
  ranges text[] := '{}';
begin
  -- One comparison of rows is one range of an index, where all columns go the same way and none is ever null.
  if true <> all (nullables) and (true <> all (descendings) or false <> all (descendings)) then
    select format('(%s) %s (%s)', string_agg(format('t.%I', c.name), ', ' order by c.n), case when descendings[1] then '<' else '>' end,
      string_agg(format('($3)[%s]::%s', c.n, c.type), ', ' order by c.n))
    into beyond
    from unnest(names, types) with ordinality as c (name, type, n);
    return array[beyond];
  end if;
  -- Else: beyond the position in the first column, or tied there and beyond it in the second, and so on; nulls are beyond every value.
  for i in 1..cardinality(names) loop
    if keyset[i] is null then
      beyond := case when descendings[i] then format('t.%I is not null', names[i]) end;
    else
      beyond := format('t.%I %s (($3)[%s]::%s)', names[i], case when descendings[i] then '<' else '>' end, i, types[i]);
      if nullables[i] and not descendings[i] then
        ranges := ranges || (tie || format('t.%I is null', names[i]));
      end if;
    end if;
    if beyond is not null then
      ranges := ranges || (tie || beyond);
    end if;
    tie := tie || case
      when keyset[i] is null then format('t.%I is null and ', names[i])
      else format('t.%I = (($3)[%s]::%s) and ', names[i], i, types[i])
    end;
  end loop;
  return ranges;
end;
$$;
revoke all on function federation.keyset_ranges(name[], text[], boolean[], boolean[], text[]) from public;
grant execute on function federation.keyset_ranges(name[], text[], boolean[], boolean[], text[]) to federation_peer, federation_user;
comment on function federation.keyset_ranges(name[], text[], boolean[], boolean[], text[]) is
  'Conditions for the rows after a position, whose values they refer to as ($3)[n]: each row that follows meets exactly one of them.';
