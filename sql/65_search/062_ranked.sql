-- Guarantees: one order over several resources, total, so that a page goes on where the one before ended.
-- Relies on: the searches of one resource, none of which looks at a hidden row.
create or replace function federation.ranked_by_words(
  resources text[], stage text, query text, rank_from double precision, resource_from text, key_from text, row_limit integer
) returns table (resource text, row_key text, rank double precision)
language sql
stable
set search_path = ''
as $$
  select r.name, h.row_key, h.rank
  from unnest(resources) as r (name)
  -- Of a resource that comes later in the list every tied row follows, of one that came earlier none does.
  cross join lateral (
    select case when r.name collate "C" > resource_from then '' when r.name = resource_from then key_from end
  ) as t (tied_after)
  cross join lateral (
    select w.row_key, w.rank from federation.search_by_words(r.name, stage, query, rank_from, t.tied_after, row_limit) w where stage <> 'near'
    union all
    select l.row_key, l.rank from federation.search_by_likeness(r.name, query, rank_from, t.tied_after, row_limit) l where stage = 'near'
  ) h
  order by h.rank desc, r.name collate "C", h.row_key collate "C"
  limit row_limit;
$$;
revoke all on function federation.ranked_by_words(text[], text, text, double precision, text, text, integer) from public;
grant execute on function federation.ranked_by_words(text[], text, text, double precision, text, text, integer) to federation_peer, federation_user;
comment on function federation.ranked_by_words(text[], text, text, double precision, text, text, integer) is
  'The best rows of several resources after a position, in one list. Raises MF013.';

create or replace function federation.ranked_by_both(
  resources text[], stage text, query text, vector double precision[], rank_from double precision, resource_from text, key_from text, row_limit integer
) returns table (resource text, row_key text, rank double precision)
language sql
stable
set search_path = ''
as $$
  -- Reciprocal rank fusion with k = 60 (Cormack, Clarke, Büttcher 2009), of the best 200 of each.
  with by_words as (
    select w.resource, w.row_key, row_number() over (order by w.rank desc, w.resource collate "C", w.row_key collate "C") as place
    from federation.ranked_by_words(resources, stage, query, null, null, null, 200) w
  ),
  by_vector as (
    select v.*
    from (
      select r.name as resource, n.row_key, row_number() over (order by n.distance, r.name collate "C", n.row_key collate "C") as place
      from unnest(resources) as r (name)
      cross join lateral federation.search_by_vector(r.name, vector, 200) n
    ) v
    where v.place <= 200
  ),
  fused as (
    select
      coalesce(w.resource, v.resource) as resource, coalesce(w.row_key, v.row_key) as row_key,
      coalesce(1.0::double precision / (60 + w.place), 0) + coalesce(1.0::double precision / (60 + v.place), 0) as rank
    from by_words w
    full join by_vector v on v.resource = w.resource and v.row_key = w.row_key
  )
  select f.resource, f.row_key, f.rank
  from fused f
  where rank_from is null or f.rank < rank_from
    or (f.rank = rank_from and (f.resource collate "C" > resource_from or (f.resource = resource_from and f.row_key collate "C" > key_from)))
  order by f.rank desc, f.resource collate "C", f.row_key collate "C"
  limit row_limit;
$$;
revoke all on function federation.ranked_by_both(text[], text, text, double precision[], double precision, text, text, integer) from public;
grant execute on function federation.ranked_by_both(text[], text, text, double precision[], double precision, text, text, integer)
  to federation_peer, federation_user;
comment on function federation.ranked_by_both(text[], text, text, double precision[], double precision, text, text, integer) is
  'The best rows by words and by nearness of embeddings, fused by their places in both lists. Raises MF013.';
