-- Guarantees: a search enters the index of words below hashes of its own owner and teams, so that words of hidden rows are neither read nor timed.
-- Relies on: federation.current_session and the readers of the scope; a session without a live grant has no way in.
create or replace function federation.search_prefix(resource text, kind text, key text) returns text
language sql
immutable strict
set search_path = ''
as $$
  select encode(substr(sha256(convert_to(jsonb_build_array(resource, kind, key)::text, 'UTF8')), 1, 6), 'hex');
$$;
revoke all on function federation.search_prefix(text, text, text) from public;
comment on function federation.search_prefix(text, text, text) is
  'Twelve hex digits before each word of a row: of its team, of its owner, or of the owner of a personal row. Two that meet cost time, not secrets.';

create or replace function federation.scoped_words(prefixes text[], document tsvector) returns tsvector
language sql
immutable
set search_path = ''
as $$
  -- No query has longer words; and a prefix by itself stands for every row behind it.
  select array_to_tsvector(array(
    select p.prefix || left(w.word, 256)
    from unnest(prefixes) as p (prefix)
    cross join (select '' union all select unnest(tsvector_to_array(document))) as w (word)
  ));
$$;
revoke all on function federation.scoped_words(text[], tsvector) from public;
comment on function federation.scoped_words(text[], tsvector) is 'Each word of a row behind each of its prefixes.';

create or replace function federation.scoped_query(prefix text, query tsquery) returns tsquery
language sql
immutable
set search_path = ''
as $$
  -- Phrases ask for all their words and negations for nothing: what is found is looked at again with the whole query.
  select case
    when querytree(query) in ('', 'T') then format('''%s''', prefix)::tsquery
    else (
      select string_agg(
        case
          when m.parts[1] like '''%' then '''' || prefix || substr(m.parts[1], 2)
          when m.parts[1] like '<%' then '&'
          else m.parts[1]
        end,
        ' ' order by m.n
      )::tsquery
      from regexp_matches(querytree(query), $r$('(?:[^']|'')*'(?::\*)?|<[^>]*>|[&|()])$r$, 'g') with ordinality as m (parts, n)
    )
  end;
$$;
revoke all on function federation.scoped_query(text, tsquery) from public;
comment on function federation.scoped_query(text, tsquery) is 'A query for the same words behind a prefix; finds all that the query finds there, and more.';

create or replace function federation.canonical_keys(keys text[], type text) returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  canonical text[];
begin
  execute format('select array(select k::%s::text from unnest($1) as k)', type) into canonical using keys;
  return canonical;
exception
  -- What is no value of the column's type is in no row.
  when data_exception then
    return '{}';
end;
$$;
revoke all on function federation.canonical_keys(text[], text) from public;
comment on function federation.canonical_keys(text[], text) is 'Ids as a column of this type writes them: 007 and 7 are one integer.';

create or replace function federation.session_prefixes(resource text) returns text[]
language plpgsql
stable
security definer -- reads the resource, the grant and the memberships
set search_path = ''
as $$
declare
  registered federation.federation_resources;
  kind text := federation.current_session() ->> 'kind';
  owners text[];
  teams text[];
  owner_kinds text[];
begin
  select r.* into registered from federation.federation_resources r where r.name = resource;
  if kind = 'peer' and federation.scope_admits(resource) then
    owner_kinds := case when federation.scope_personal() then array['personal'] else '{}' end;
    teams := federation.scope_teams();
  elsif kind = 'user' then
    owner_kinds := array['personal', 'owner'];
    teams := federation.current_teams();
  else
    return '{}';
  end if;
  owners := federation.canonical_keys(
    array[federation.current_subject()], federation.column_type(registered.table_id, registered.owner_expression::name)
  );
  if registered.team_expression is null then
    teams := '{}';
  else
    teams := federation.canonical_keys(teams, federation.column_type(registered.table_id, registered.team_expression::name));
  end if;
  return array(
    select federation.search_prefix(resource, k.kind, o.owner) from unnest(owner_kinds) as k (kind) cross join unnest(owners) as o (owner)
    where o.owner is not null
    union
    select federation.search_prefix(resource, 'team', t.team) from unnest(teams) as t (team)
  );
end;
$$;
revoke all on function federation.session_prefixes(text) from public;
comment on function federation.session_prefixes(text) is
  'Behind which prefixes this session finds rows of a resource whose policies are ours: the rows that those policies show, and no others.';
