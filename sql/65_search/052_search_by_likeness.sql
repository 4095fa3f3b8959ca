-- Guarantees: the rows found are rows that row-level security shows to the current role; words are like those of no other row.
-- Relies on: the policies, which alone decide which rows; on describe_search for every identifier.
create or replace function federation.trigram_schema() returns text
language sql
stable
set search_path = ''
as $$
  select quote_ident(n.nspname)
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_trgm' and has_schema_privilege(n.oid, 'usage');
$$;
revoke all on function federation.trigram_schema() from public;
grant execute on function federation.trigram_schema() to federation_peer, federation_user;
comment on function federation.trigram_schema() is 'The schema of pg_trgm, quoted; null where there is none that the current role can use.';

create or replace function federation.search_by_likeness(
  resource text, query text, rank_from double precision, tied_after text, row_limit integer
) returns table (row_key text, rank double precision)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  described record;
  trigrams constant text := federation.trigram_schema();
  asked constant tsquery := websearch_to_tsquery('pg_catalog.simple', query);
  terms text[];
  statement text;
begin
  select d.* into described from federation.describe_search(resource) d;
  perform federation.require_protected(resource);
  terms := array(
    select w.word
    from unnest(federation.search_terms(asked)) as q (term)
    cross join lateral (select replace(substr(q.term, 2, length(q.term) - 2), '''''', '''')) as w (word)
    -- Shorter ones have too few trigrams to be like anything.
    where length(w.word) > 2
    limit 8
  );
  -- Who writes quotation marks means what stands between them.
  if trigrams is null or query like '%"%' or cardinality(terms) = 0 or cardinality(described.text_columns) = 0 then
    return;
  end if;
  -- Written before the application's path is set: so the table's name has its schema.
  -- 0.3 is what pg_trgm itself takes for alike (PostgreSQL documentation §F.35, similarity_threshold).
  statement := format(
    'select f.row_key, f.rank
      from (
        select t.%1$I::text as row_key, l.likeness, l.rank
        from %2$s t
        cross join lateral (select left(array_to_string(%3$s, '' ''), 32768) offset 0) x (text)
        cross join lateral (
          select case when $5 then max(w.likeness) else min(w.likeness) end as likeness, avg(w.likeness)::double precision as rank
          from (select %4$s.strict_word_similarity(w.term, x.text) as likeness from unnest($1) as w (term)) w
          offset 0
        ) l
      ) f
      where f.likeness >= 0.3 and ($2 is null or f.rank < $2 or (f.rank = $2 and f.row_key collate "C" > $3))
      order by f.rank desc, f.row_key collate "C"
      limit $4',
    described.key_column, described.table_id, federation.text_array(described.text_columns), trigrams
  );
  perform set_config('search_path', described.search_path, true);
  return query execute statement
  -- Where one word or another was asked for, one that is alike will do.
  using terms, rank_from, tied_after, row_limit, asked::text like '% | %';
end;
$$;
revoke all on function federation.search_by_likeness(text, text, double precision, text, integer) from public;
grant execute on function federation.search_by_likeness(text, text, double precision, text, integer) to federation_peer, federation_user;
comment on function federation.search_by_likeness(text, text, double precision, text, integer) is
  'Keys of visible rows of a resource with words like those asked for, for queries that were mistyped, best first. Raises MF013.';
