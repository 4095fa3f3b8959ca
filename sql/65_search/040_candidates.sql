-- Guarantees: what is found by the index of words is behind this session's own prefixes; which rows those are is decided again by the policies.
-- Relies on: the index federation_search_documents_scoped_idx, without which the plan would look at words of hidden rows.
create or replace function federation.search_candidates(
  resource text, query tsquery, rank_from double precision, tied_after text, row_limit integer
) returns table (row_key text, rank double precision)
language sql
stable
security definer -- reads the words; of this session's own owner and teams only
set search_path = ''
set enable_seqscan = off
set enable_indexscan = off
set enable_indexonlyscan = off
as $$
  -- Apart from the rest, and with every other way to the rows switched off, so that nothing but the index decides at which words is looked.
  with found as materialized (
    select distinct on (d.resource_name, d.row_key) d.resource_name, d.row_key, d.document
    from unnest(federation.session_prefixes(resource)) as p (prefix)
    join federation.federation_search_documents d on d.scoped @@ federation.scoped_query(p.prefix, query)
  ),
  ranked as (
    select f.row_key, ts_rank_cd(f.document, query, 1)::double precision as rank
    from found f
    where f.resource_name = search_candidates.resource and f.document @@ query
  )
  select r.row_key, r.rank
  from ranked r
  where rank_from is null or r.rank < rank_from or (r.rank = rank_from and r.row_key collate "C" > tied_after)
  order by r.rank desc, r.row_key collate "C"
  limit row_limit;
$$;
revoke all on function federation.search_candidates(text, tsquery, double precision, text, integer) from public;
grant execute on function federation.search_candidates(text, tsquery, double precision, text, integer) to federation_peer, federation_user;
comment on function federation.search_candidates(text, tsquery, double precision, text, integer) is
  'Keys of rows that a query finds behind this session''s prefixes, best first: of a rank below rank_from, or of that rank with a key after tied_after.';

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
