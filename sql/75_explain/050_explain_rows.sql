-- Guarantees: for each row, what a peer is served and which stage decided, as the policies answer when the grant's scope is varied, one key at a time.
-- Relies on: federation.probe. A row that the subject may not see is one that is not there, to whoever cannot read it by other means.
create or replace function federation.page_keys(page jsonb, key_column name) returns text[]
language sql
immutable
set search_path = ''
as $$
  select array(
    select r.item ->> key_column from jsonb_array_elements(page -> 'answer' -> 'rows') with ordinality as r (item, n) order by r.n
  );
$$;
revoke all on function federation.page_keys(jsonb, name) from public;
comment on function federation.page_keys(jsonb, name) is 'The keys of the rows of an answer, in their order; none where it was refused.';

create or replace function federation.only_keys(key_column name, ids text[]) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('filter', jsonb_build_object(key_column, jsonb_build_object('in', ids)), 'first', cardinality(ids));
$$;
revoke all on function federation.only_keys(name, text[]) from public;
comment on function federation.only_keys(name, text[]) is 'Filter and number of rows of a page that holds these keys and no other.';

create or replace function federation.keyed(ids text[], verdicts jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(i.id, verdicts -> (i.n - 1)::integer), '{}') from unnest(ids) with ordinality as i (id, n);
$$;
revoke all on function federation.keyed(text[], jsonb) from public;
comment on function federation.keyed(text[], jsonb) is 'A list of what was said of rows, in the order of their keys, as an object by key.';

create or replace function federation.keys_in_scope(grant_id uuid, scope jsonb, resource text, key_column name, ids text[]) returns text[]
language sql
volatile
set search_path = ''
as $$
  select case
    when cardinality(ids) = 0 then '{}'
    else federation.page_keys(
      federation.probe('stand-in', grant_id, scope, 'list', resource, federation.only_keys(key_column, ids)), key_column
    )
  end;
$$;
revoke all on function federation.keys_in_scope(uuid, jsonb, text, name, text[]) from public;
comment on function federation.keys_in_scope(uuid, jsonb, text, name, text[]) is 'Which of some rows a peer would be served under a scope.';

create or replace function federation.explain_rows(grant_id uuid, resource text, ids text[], filter jsonb, held jsonb) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  key_column name;
  of_one_answer jsonb;
  scope jsonb;
  native text[];
  served text[];
  personal text[];
  with_personal text[];
  with_teams text[];
  first_page text[];
  reading jsonb := held;
  read_ids text[] := ids;
  policies jsonb := '{}';
  open_policies jsonb := '{}';
begin
  select d.key_column into strict key_column from federation.describe_resource(resource) d;
  -- Whether the resource is in scope, and how many rows one answer has, are stages of their own.
  select (g.scope - 'excluded_resources') || jsonb_build_object('resources', array[resource]) into strict of_one_answer
  from federation.federation_grants g where g.id = explain_rows.grant_id;
  scope := of_one_answer || '{"max_rows_per_query": 10000}';

  native := federation.page_keys(
    federation.probe('user', grant_id, null, 'user list', resource, federation.only_keys(key_column, ids)), key_column
  );
  served := federation.keys_in_scope(grant_id, scope, resource, key_column, ids);
  personal := federation.keys_in_scope(grant_id, scope || '{"include_teams": []}', resource, key_column, served);
  with_personal := federation.keys_in_scope(grant_id, scope || '{"include_personal": true}', resource, key_column, native);
  with_teams := federation.keys_in_scope(grant_id, scope || '{"include_teams": "*"}', resource, key_column, native);
  if cardinality(served) > 0 then
    first_page := federation.page_keys(
      federation.probe('stand-in', grant_id, of_one_answer, 'list', resource, jsonb_build_object('filter', filter, 'first', 10000)), key_column
    );
  end if;

  if held is null and cardinality(native) > 0 then
    read_ids := native;
    reading := federation.probe('user', grant_id, null, 'user read', resource, jsonb_build_object('ids', native)) -> 'answer';
  end if;
  if jsonb_array_length(reading -> 'images') = cardinality(read_ids) then
    policies := federation.keyed(read_ids, federation.probe('stand-in', grant_id, scope, 'policies', resource, reading) -> 'answer');
    -- Where no key of the scope is to blame alone: whether the scope policy refuses the row though everything is in scope, or another one does.
    if exists (select from unnest(native) as n (id) where n.id <> all (served || with_personal || with_teams)) then
      open_policies := federation.keyed(
        read_ids,
        federation.probe(
          'stand-in', grant_id, scope || '{"include_personal": true, "include_teams": "*"}', 'policies', resource, reading
        ) -> 'answer'
      );
    end if;
  end if;

  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'id', i.id,
          'exists', case when i.id = any (native) or v.image then true when held is not null then false end,
          'served', v.served,
          'decidedBy', case
            when v.served then case when i.id <> all (first_page) then 'cap' end
            when i.id <> all (native) then 'native'
            when i.id = any (with_personal) then 'personal'
            when i.id = any (with_teams) or coalesce(v.blocking, resource || '_scope') = resource || '_scope' then 'team'
            else 'policy'
          end,
          'native', i.id = any (native),
          'personal', case when i.id = any (personal) then true when not v.served and i.id = any (with_personal) then false end,
          'team', case
            when v.served then case when i.id <> all (personal) then true end
            when i.id = any (native) and i.id <> all (with_personal) then false
          end,
          'teamOfSubject', case
            when v.served then case when i.id <> all (personal) then true end
            when i.id = any (native) and i.id <> all (with_personal) then i.id = any (with_teams)
          end,
          'cap', case when v.served then i.id = any (first_page) end,
          'policies', coalesce(policies -> i.id, '[]')
        )
        order by i.n
      ),
      '[]'
    )
    from unnest(ids) with ordinality as i (id, n)
    cross join lateral (
      select
        i.id = any (served) as served,
        held is not null and policies ? i.id as image,
        (
          select p.item ->> 'name' from jsonb_array_elements(open_policies -> i.id) as p (item)
          where p.item ->> 'kind' = 'restrictive' and p.item -> 'admits' = 'false'
          limit 1
        ) as blocking
    ) v
  );
end;
$$;
revoke all on function federation.explain_rows(uuid, text, text[], jsonb, jsonb) from public;
comment on function federation.explain_rows(uuid, text, text[], jsonb, jsonb) is
  'Which stage decided on each of some rows of a protected resource, as if the grant served and the resource were in its scope. Raises MF012.';
