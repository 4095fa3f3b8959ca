-- Guarantees: one row of native rights ∩ scope; a row out of either is as absent as one that never was.
create or replace function federation_api.get(resource text, id text) returns json
language plpgsql
stable
set search_path = ''
as $$
declare
  -- An assignment is evaluated at once; "perform" would be a query.
  ignored constant integer := federation.require_resource(resource);
begin
  return federation.get_row(resource, id);
end;
$$;
revoke all on function federation_api.get(text, text) from public;
grant execute on function federation_api.get(text, text) to federation_peer;
comment on function federation_api.get(text, text) is 'One row of a resource by its key.';
