-- Guarantees: the rows found are rows that row-level security shows to the current role; a word is compared with no other row.
-- Relies on: the policies, which alone decide which rows; on describe_search for every identifier.
create or replace function federation.require_protected(resource text) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if not coalesce((select d.is_protected from federation.describe_resource(resource) d), false) then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;
end;
$$;
revoke all on function federation.require_protected(text) from public;
grant execute on function federation.require_protected(text) to federation_peer, federation_user;
comment on function federation.require_protected(text) is 'Raises MF013 where row-level security or the scope policy was taken from a table.';

create or replace function federation.text_array(columns name[]) returns text
language sql
immutable
set search_path = ''
as $$
  select format('array[%s]::text[]', string_agg(format('t.%I::text', c.name), ', ' order by c.n)) from unnest(columns) with ordinality as c (name, n);
$$;
revoke all on function federation.text_array(name[]) from public;
grant execute on function federation.text_array(name[]) to federation_peer, federation_user;
comment on function federation.text_array(name[]) is 'The text columns of the row alias t as an array expression.';

create or replace function federation.search_by_words(
  resource text, stage text, query text, rank_from double precision, tied_after text, row_limit integer
) returns table (row_key text, rank double precision)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  described record;
  config regconfig;
  asked tsquery;
  batch record;
  wanted integer := row_limit;
begin
  select d.* into described from federation.describe_search(resource) d;
  perform federation.require_protected(resource);
  config := federation.search_config_of(described.config);
  asked := federation.search_query(config, query, stage);
  if cardinality(described.text_columns) = 0 or numnode(asked) = 0 then
    return;
  end if;
  perform set_config('search_path', described.search_path, true);
  if not described.is_indexed then
    return query execute format(
      'select f.row_key, f.rank
        from (
          select t.%1$I::text as row_key, ts_rank_cd(d.document, $1, 1)::double precision as rank
          from %2$s t
          cross join lateral (select federation.search_document($2, %3$s) offset 0) d (document)
          where d.document @@ $1
        ) f
        where $3 is null or f.rank < $3 or (f.rank = $3 and f.row_key collate "C" > $4)
        order by f.rank desc, f.row_key collate "C"
        limit $5',
      described.key_column, described.table_id, federation.text_array(described.text_columns)
    )
    using asked, config, rank_from, tied_after, row_limit;
    return;
  end if;
  -- What the index found and the policies hide leaves a gap, which the next candidates fill.
  loop
    execute format(
      'select array_agg(c.row_key order by c.rank desc, c.row_key collate "C") as keys,
          array_agg(c.rank order by c.rank desc, c.row_key collate "C") as ranks,
          array_agg(t.%1$I is not null order by c.rank desc, c.row_key collate "C") as visible
        from federation.search_candidates($1, $2, $3, $4, $5) c
        left join %2$s t on t.%1$I = c.row_key::%3$s',
      described.key_column, described.table_id, described.key_type
    )
    into batch
    using resource, asked, rank_from, tied_after, wanted;
    return query
    select b.row_key, b.rank
    from unnest(batch.keys, batch.ranks, batch.visible) with ordinality as b (row_key, rank, is_visible, n)
    where b.is_visible
    order by b.n;
    exit when coalesce(cardinality(batch.keys), 0) < wanted or true = all (batch.visible);
    wanted := cardinality(array_positions(batch.visible, false));
    rank_from := batch.ranks[cardinality(batch.ranks)];
    tied_after := batch.keys[cardinality(batch.keys)];
  end loop;
end;
$$;
revoke all on function federation.search_by_words(text, text, text, double precision, text, integer) from public;
grant execute on function federation.search_by_words(text, text, text, double precision, text, integer) to federation_peer, federation_user;
comment on function federation.search_by_words(text, text, text, double precision, text, integer) is
  'Keys of visible rows of a resource that hold the words asked for, best first. Raises MF013.';

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
  perform set_config('search_path', described.search_path, true);
  -- 0.3 is what pg_trgm itself takes for alike (PostgreSQL documentation §F.35, similarity_threshold).
  return query execute format(
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
  )
  -- Where one word or another was asked for, one that is alike will do.
  using terms, rank_from, tied_after, row_limit, asked::text like '% | %';
end;
$$;
revoke all on function federation.search_by_likeness(text, text, double precision, text, integer) from public;
grant execute on function federation.search_by_likeness(text, text, double precision, text, integer) to federation_peer, federation_user;
comment on function federation.search_by_likeness(text, text, double precision, text, integer) is
  'Keys of visible rows of a resource with words like those asked for, for queries that were mistyped, best first. Raises MF013.';

create or replace function federation.search_by_vector(resource text, vector double precision[], row_limit integer)
returns table (row_key text, distance double precision)
language plpgsql
stable
set search_path = ''
as $$
declare
  described record;
  vector_type record;
begin
  select d.* into described from federation.describe_search(resource) d;
  if described.embedding_dimensions is distinct from cardinality(vector) then
    return;
  end if;
  perform federation.require_protected(resource);
  select quote_ident(n.nspname) as schema into vector_type
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid and t.typname = 'vector'
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where a.attrelid = described.table_id and a.attname = described.embedding_column and not a.attisdropped
    and has_column_privilege(a.attrelid, a.attnum, 'select') and has_schema_privilege(n.oid, 'usage');
  if not found then
    return;
  end if;
  perform set_config('search_path', described.search_path, true);
  -- Exact, over the visible rows: how long the index takes depends on the hidden rows that lie near.
  return query execute format(
    'select f.row_key, f.distance
      from (
        select t.%1$I::text as row_key, d.distance
        from %2$s t
        cross join lateral (select t.%3$I operator(%4$s.<=>) $1::text::%4$s.vector offset 0) d (distance)
      ) f
      where f.distance < ''infinity''
      order by f.distance, f.row_key collate "C"
      limit $2',
    described.key_column, described.table_id, described.embedding_column, vector_type.schema
  )
  using array_to_json(vector)::text, row_limit;
end;
$$;
revoke all on function federation.search_by_vector(text, double precision[], integer) from public;
grant execute on function federation.search_by_vector(text, double precision[], integer) to federation_peer, federation_user;
comment on function federation.search_by_vector(text, double precision[], integer) is
  'Keys of the visible rows of a resource whose embeddings are nearest by cosine distance; none where its embeddings have other dimensions. Raises MF013.';
