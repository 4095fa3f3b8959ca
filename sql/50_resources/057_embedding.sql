-- Guarantees: an embedding column is one that pgvector can index, and its index is there once it is registered.
-- Relies on: pgvector only where a resource has an embedding; nothing here names its type but through the catalogue.
create or replace function federation.embedding_dimensions(table_id regclass, embedding_column name) returns integer
language plpgsql
stable
set search_path = ''
as $$
declare
  vector_type constant oid := (
    select t.oid
    from pg_catalog.pg_extension e
    join pg_catalog.pg_depend d
      on d.refclassid = 'pg_catalog.pg_extension'::regclass and d.refobjid = e.oid
      and d.classid = 'pg_catalog.pg_type'::regclass and d.deptype = 'e'
    join pg_catalog.pg_type t on t.oid = d.objid and t.typname = 'vector'
    where e.extname = 'vector'
  );
  dimensions integer;
begin
  if vector_type is null then
    raise exception 'The extension vector is not installed in this database.'
      using errcode = 'MF022', hint = 'Install pgvector beside the server, then: create extension vector';
  end if;
  select a.atttypmod into dimensions
  from pg_catalog.pg_attribute a
  where a.attrelid = table_id and a.attname = embedding_column and a.attnum > 0 and not a.attisdropped and a.atttypid = vector_type;
  if not found then
    raise exception '% has no column % of type vector.', table_id, embedding_column using errcode = 'MF022';
  end if;
  -- Without dimensions there is no index, and above 2 000 HNSW takes none (pgvector documentation, "HNSW").
  if dimensions not between 1 and 2000 then
    raise exception 'The column % needs its dimensions, 1 to 2000.', embedding_column
      using errcode = 'MF022', hint = format('For example: alter table %s alter column %I type vector(1536)', table_id, embedding_column);
  end if;
  return dimensions;
end;
$$;
revoke all on function federation.embedding_dimensions(regclass, name) from public;
grant execute on function federation.embedding_dimensions(regclass, name) to federation_admin;
comment on function federation.embedding_dimensions(regclass, name) is 'The dimensions of a vector column that HNSW can index. Raises MF022.';

create or replace function federation.make_embedding_index(table_id regclass, embedding_column name) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  opclass record;
  made regclass;
  before constant oid[] := array(select i.indexrelid from pg_catalog.pg_index i where i.indrelid = table_id);
begin
  select o.oid, n.nspname, o.opcname into opclass
  from pg_catalog.pg_opclass o
  join pg_catalog.pg_am m on m.oid = o.opcmethod and m.amname = 'hnsw'
  join pg_catalog.pg_namespace n on n.oid = o.opcnamespace
  where o.opcname = 'vector_cosine_ops';
  if exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = table_id and a.attname = embedding_column
    where i.indrelid = table_id and i.indisvalid and i.indpred is null and i.indnatts = 1
      and i.indkey[0] = a.attnum and i.indclass[0] = opclass.oid
  ) then
    return;
  end if;
  -- On a large table one makes it beforehand with CREATE INDEX CONCURRENTLY, which no function can: this one holds writers up.
  execute format('create index on %s using hnsw (%I %I.%I)', table_id, embedding_column, opclass.nspname, opclass.opcname);
  select i.indexrelid into made from pg_catalog.pg_index i where i.indrelid = table_id and i.indexrelid <> all (before);
  -- By this it is known again, under any name and in a copy of the database.
  execute format('comment on index %s is %L', made, 'Made by federation.register_resource.');
end;
$$;
revoke all on function federation.make_embedding_index(regclass, name) from public;
grant execute on function federation.make_embedding_index(regclass, name) to federation_admin;
comment on function federation.make_embedding_index(regclass, name) is 'Makes an HNSW index for cosine distance where the table has none for this column.';

create or replace function federation.drop_embedding_index(table_id regclass) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  made regclass;
begin
  for made in
    select i.indexrelid from pg_catalog.pg_index i
    where i.indrelid = table_id and obj_description(i.indexrelid, 'pg_class') = 'Made by federation.register_resource.'
  loop
    execute format('drop index %s', made);
  end loop;
end;
$$;
revoke all on function federation.drop_embedding_index(regclass) from public;
grant execute on function federation.drop_embedding_index(regclass) to federation_admin;
comment on function federation.drop_embedding_index(regclass) is 'Drops the index that registration made, if it made one.';
