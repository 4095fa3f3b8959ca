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
