--! Previous: sha1:98b55a2ffbf43eaa23beb33b38f2d7aa4d5e906b
--! Hash: sha1:e79d96cfa3f65b3352899827a88f53ce06a73bca
--! Message: embeddings

-- Embeddings as an optional column of a resource.
set local role federation_owner;

alter table federation.federation_resources
  add column embedding_column name,
  add column embedding_dimensions integer,
  add constraint federation_resources_embedding check (
    (embedding_column is null) = (embedding_dimensions is null)
  ) not valid;
alter table federation.federation_resources validate constraint federation_resources_embedding;
comment on column federation.federation_resources.embedding_column is 'A column of type vector for searches; never among the columns that leave.';

reset role;

-- It takes the embedding column from now on; sql/ makes it anew.
drop function if exists federation.register_resource(text, regclass, text, text, name[], name, jsonb, name, name[], jsonb);
