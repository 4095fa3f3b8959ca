-- Guarantees: a search that is not well-formed, or names a resource that the session may not search, gets no further.
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
