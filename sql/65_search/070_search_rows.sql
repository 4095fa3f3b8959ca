-- Guarantees: one ranked list over several resources of rows that row-level security shows to the current role, declared columns only, at most cap.
-- Relies on: the policies; on functions of this folder, none of which looks at a hidden row.
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

create or replace function federation.read_hits(resource text, keys text[], query text, stage text) returns table (row_key text, content jsonb, snippet jsonb)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
as $$
declare
  described record;
begin
  select d.* into described from federation.describe_search(resource) d;
  perform set_config('search_path', described.search_path, true);
  return query execute format(
    'select t.%1$I::text, (select to_jsonb(r) from (select %2$s) r), %3$s
      from %4$s t
      where t.%1$I = any ($1::%5$s[])',
    described.key_column, federation.select_columns(resource),
    case
      when cardinality(described.text_columns) = 0 then 'null::jsonb'
      else format('federation.search_snippet($2, $3, %s, $4, $5)', federation.text_array(described.text_columns))
    end,
    described.table_id, described.key_type
  )
  using keys, federation.search_config_of(described.config), described.text_columns, query, stage;
end;
$$;
revoke all on function federation.read_hits(text, text[], text, text) from public;
grant execute on function federation.read_hits(text, text[], text, text) to federation_peer, federation_user;
comment on function federation.read_hits(text, text[], text, text) is 'Rows by their keys, as JSON, each with its snippet.';

create or replace function federation.check_search(query text, first integer, mode text, vector double precision[]) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if query is null or query ~ '^\s*$' or length(query) > 256 then
    raise exception 'A search is for 1 to 256 characters.' using errcode = 'MF012', detail = '{"path": "query"}';
  end if;
  if first < 1 then
    raise exception 'A page has at least one row.' using errcode = 'MF012', detail = '{"path": "first"}';
  end if;
  if mode not in ('keyword', 'hybrid') then
    raise exception 'A search is by keyword or hybrid.' using errcode = 'MF012', detail = '{"path": "mode"}';
  end if;
  if (mode = 'hybrid') <> (vector is not null) then
    raise exception 'A hybrid search comes with a vector, and no other does.' using errcode = 'MF012', detail = '{"path": "vector"}';
  end if;
  if vector is not null and (
    cardinality(vector) not between 1 and 2000 or array_ndims(vector) <> 1 or array_position(vector, null) is not null
    -- What single precision, of which embeddings are, cannot hold.
    or exists (select from unnest(vector) as v (n) where not abs(v.n) < 3.4e38)
  ) then
    raise exception 'A vector has 1 to 2000 numbers.' using errcode = 'MF012', detail = '{"path": "vector"}';
  end if;
end;
$$;
revoke all on function federation.check_search(text, integer, text, double precision[]) from public;
grant execute on function federation.check_search(text, integer, text, double precision[]) to federation_peer, federation_user;
comment on function federation.check_search(text, integer, text, double precision[]) is 'Raises MF012, with the path in detail, unless a search is well-formed.';

create or replace function federation.search_rows(
  query text, resources text[], first integer, after text, mode text, vector double precision[], cap integer
) returns jsonb
language plpgsql
stable
set search_path = ''
set extra_float_digits = 1
as $$
declare
  asked constant jsonb := jsonb_build_object('query', query, 'resources', resources, 'mode', coalesce(mode, 'keyword'), 'vector', vector);
  page_size integer;
  stages text[] := array['exact', 'prefix', 'near'];
  stage text;
  keyset text[];
  found jsonb;
  hits jsonb;
  next_cursor text;
begin
  perform federation.check_search(query, first, coalesce(mode, 'keyword'), vector);
  page_size := least(coalesce(first, 20), cap);
  if after is not null then
    keyset := federation.decode_cursor('', asked, null, after);
    -- A page that follows is of the same kind as the one before.
    stages := keyset[1:1];
  end if;
  foreach stage in array stages loop
    if vector is null then
      select jsonb_agg(jsonb_build_array(h.resource, h.row_key, h.rank) order by h.rank desc, h.resource collate "C", h.row_key collate "C") into found
      from federation.ranked_by_words(resources, stage, query, keyset[2]::double precision, keyset[3], keyset[4], page_size + 1) h;
    elsif after is not null or stage = 'near' or exists (
      select from federation.ranked_by_words(resources, stage, query, null, null, null, 1)
    ) then
      select jsonb_agg(jsonb_build_array(h.resource, h.row_key, h.rank) order by h.rank desc, h.resource collate "C", h.row_key collate "C") into found
      from federation.ranked_by_both(resources, stage, query, vector, keyset[2]::double precision, keyset[3], keyset[4], page_size + 1) h;
    end if;
    exit when found is not null;
  end loop;
  if jsonb_array_length(found) > page_size then
    found := found - page_size;
    next_cursor := federation.encode_cursor(
      '', asked, null, array[stage, found -> -1 ->> 2, found -> -1 ->> 0, found -> -1 ->> 1]
    );
    if length(next_cursor) > 8192 then
      raise exception 'The keys of these rows are too long to page by.' using errcode = 'MF012', detail = '{"path": "first"}';
    end if;
  end if;
  select jsonb_agg(
    jsonb_build_object('resource', f.hit ->> 0, 'id', f.hit ->> 1, 'rank', f.hit -> 2, 'snippet', r.snippet, 'row', r.content) order by f.n
  ) into hits
  from jsonb_array_elements(found) with ordinality as f (hit, n)
  join (
    select k.resource, h.*
    from (
      select e.hit ->> 0 as resource, array_agg(e.hit ->> 1) as keys from jsonb_array_elements(found) as e (hit) group by 1
    ) k
    cross join lateral federation.read_hits(k.resource, k.keys, query, stage) h
  ) r on r.resource = f.hit ->> 0 and r.row_key = f.hit ->> 1;
  return jsonb_build_object(
    'hits', coalesce(hits, '[]'), 'nextCursor', next_cursor, 'capped', next_cursor is not null and coalesce(first, 20) > cap
  );
end;
$$;
revoke all on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) from public;
grant execute on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) to federation_peer, federation_user;
comment on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) is
  'A page of hits of a search: {"hits", "nextCursor", "capped"}; words as they are, else their beginnings, else words like them. Raises MF012, MF013.';

create or replace function federation.require_searchable(resources text[]) returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  searchable constant text[] := federation.searchable_resources();
begin
  if resources is null then
    return searchable;
  end if;
  if cardinality(resources) not between 1 and 50 then
    raise exception 'A search is in 1 to 50 resources.' using errcode = 'MF012', detail = '{"path": "resources"}';
  end if;
  if not resources <@ searchable or array_position(resources, null) is not null then
    raise exception 'The resource is not available.' using errcode = 'MF010';
  end if;
  return array(select distinct r.name from unnest(resources) as r (name) order by r.name);
end;
$$;
revoke all on function federation.require_searchable(text[]) from public;
grant execute on function federation.require_searchable(text[]) to federation_peer, federation_user;
comment on function federation.require_searchable(text[]) is
  'The resources of a search, all that the session may search where none is named. Raises MF010 where it may not search one of them, MF012.';
