-- Guarantees: the rows found are rows that row-level security shows to the current role; a word is compared with no other row.
-- Relies on: the policies, which alone decide which rows; on describe_search for every identifier.
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
  by_scan text;
  by_index text;
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
  -- Written before the application's path is set: so each name has its schema, and no table that stands before it there is read in its place.
  by_scan := format(
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
  );
  by_index := format(
    'select array_agg(c.row_key order by c.rank desc, c.row_key collate "C") as keys,
        array_agg(c.rank order by c.rank desc, c.row_key collate "C") as ranks,
        array_agg(t.%1$I is not null order by c.rank desc, c.row_key collate "C") as visible
      from federation.search_candidates($1, $2, $3, $4, $5) c
      -- One by one: a plan that joined would read the whole table, for it cannot know how few candidates there are.
      left join lateral (select t.%1$I from %2$s t where t.%1$I = c.row_key::%3$s limit 1) t on true',
    described.key_column, described.table_id, described.key_type
  );
  perform set_config('search_path', described.search_path, true);
  if not described.is_indexed then
    return query execute by_scan using asked, config, rank_from, tied_after, row_limit;
    return;
  end if;
  -- What the index found and the policies hide leaves a gap, which the next candidates fill.
  loop
    execute by_index
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
