-- Guarantees: the rows found are rows that row-level security shows to the current role; no other row's embedding is looked at, and none leaves.
-- Relies on: the policies, which alone decide which rows; on describe_search for every identifier.
create or replace function federation.search_by_vector(resource text, vector double precision[], row_limit integer)
returns table (row_key text, distance double precision)
language plpgsql
stable
set search_path = ''
as $$
declare
  described record;
  vector_type record;
  statement text;
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
  -- Written before the application's path is set: so the table's name has its schema.
  -- Exact, over the visible rows: how long the index takes depends on the hidden rows that lie near.
  statement := format(
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
  );
  perform set_config('search_path', described.search_path, true);
  return query execute statement
  using array_to_json(vector)::text, row_limit;
end;
$$;
revoke all on function federation.search_by_vector(text, double precision[], integer) from public;
grant execute on function federation.search_by_vector(text, double precision[], integer) to federation_peer, federation_user;
comment on function federation.search_by_vector(text, double precision[], integer) is
  'Keys of the visible rows of a resource whose embeddings are nearest by cosine distance; none where its embeddings have other dimensions. Raises MF013.';
