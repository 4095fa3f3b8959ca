-- Guarantees: the rows are native rights ∩ scope, decided by the policies of the table; the cap of the grant holds for each query.
create or replace function federation_api.list(
  resource text, filter jsonb default null, "order" jsonb default null, first integer default null, after text default null
) returns json
language plpgsql
stable
set search_path = ''
as $$
begin
  return federation.list_rows(resource, filter, "order", first, after, federation.require_resource(resource));
end;
$$;
revoke all on function federation_api.list(text, jsonb, jsonb, integer, text) from public;
grant execute on function federation_api.list(text, jsonb, jsonb, integer, text) to federation_peer;
comment on function federation_api.list(text, jsonb, jsonb, integer, text) is 'A keyset page of a resource: {"rows", "nextCursor", "capped"}.';
