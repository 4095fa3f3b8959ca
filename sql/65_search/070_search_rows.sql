-- Guarantees: one ranked list over several resources of rows that row-level security shows to the current role, declared columns only, at most cap.
-- Relies on: the policies; on functions of this folder, none of which looks at a hidden row.
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
  seen text[];
  page_size integer;
  stages text[] := array['exact', 'prefix', 'near'];
  stage text;
  keyset text[];
  found jsonb;
  hits jsonb;
  next_cursor text;
begin
  perform federation.check_search(query, first, coalesce(mode, 'keyword'), vector);
  seen := array(select federation.registration_seen(r.name) from unnest(resources) with ordinality as r (name, n) order by r.n);
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
  -- Of all that were searched: what is not among the hits decides how many there are, and whether more follow.
  perform federation.require_as_read(r.name, r.seen) from unnest(resources, seen) as r (name, seen);
  return jsonb_build_object(
    'hits', coalesce(hits, '[]'), 'nextCursor', next_cursor, 'capped', next_cursor is not null and coalesce(first, 20) > cap
  );
end;
$$;
revoke all on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) from public;
grant execute on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) to federation_peer, federation_user;
comment on function federation.search_rows(text, text[], integer, text, text, double precision[], integer) is
  'A page of hits of a search: {"hits", "nextCursor", "capped"}; words as they are, else their beginnings, else words like them. Raises MF012, MF013.';
