-- Guarantees: searches are built from this description and nothing else; an index that cannot be relied on is not described as one.
create or replace function federation.describe_search(resource text)
returns table (
  table_id regclass, key_column name, key_type text, search_path text, text_columns name[], config text, is_indexed boolean,
  embedding_column name, embedding_dimensions integer
)
language sql
stable
security definer -- peers and users cannot read the catalogue of resources
rows 1
set search_path = ''
as $$
  select
    r.table_id, r.key_column, federation.column_type(r.table_id, r.key_column), coalesce(r.identity_settings ->> 'search_path', ''),
    r.text_columns, r.search_config,
    -- A policy that somebody added shows or hides rows by other rules than owner and team; a trigger that is off keeps nothing.
    r.search_indexed
      and (select array_agg(p.polname::text order by p.polname) from pg_policy p where p.polrelid = r.table_id)
        = array[r.name || '_native', r.name || '_others', r.name || '_scope']
      and 2 = (
        select count(*) from pg_trigger t
        where t.tgrelid = r.table_id and t.tgname in (r.name || '_words', r.name || '_words_truncate') and t.tgenabled in ('O', 'A')
      ),
    r.embedding_column, r.embedding_dimensions
  from federation.federation_resources r
  where r.name = describe_search.resource;
$$;
revoke all on function federation.describe_search(text) from public;
grant execute on function federation.describe_search(text) to federation_peer, federation_user;
comment on function federation.describe_search(text) is 'What a search over a resource may name, and whether the index of its words can be relied on.';

create or replace function federation.searchable_resources() returns text[]
language sql
stable
security definer -- reads the catalogue of resources and the grant
set search_path = ''
as $$
  select array(
    select r.name
    from federation.federation_resources r
    cross join federation.current_session() as s (session)
    where (cardinality(r.text_columns) > 0 or r.embedding_column is not null)
      and case s.session ->> 'kind' when 'peer' then federation.scope_admits(r.name) when 'user' then true else false end
    order by r.name
  );
$$;
revoke all on function federation.searchable_resources() from public;
grant execute on function federation.searchable_resources() to federation_peer, federation_user;
comment on function federation.searchable_resources() is 'The resources that this session may search, by name.';
