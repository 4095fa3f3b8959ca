-- Guarantees: the rows are native rights ∩ scope, decided by the policies of the table; the cap of the grant holds for each query.
create or replace function federation.list_page(
  resource text, filter jsonb, "order" jsonb, first integer, after text
) returns federation.page
language plpgsql
stable
set search_path = ''
as $$
declare
  reach constant federation.page_reach := federation.require_page(resource);
  answer json;
begin
  if reach.is_prepared and filter is null and "order" is null then
    return federation.prepared_page(resource, first, after, reach);
  end if;
  answer := federation.list_rows(resource, filter, "order", first, after, reach.cap);
  return (answer, json_array_length(answer -> 'rows'));
end;
$$;
revoke all on function federation.list_page(text, jsonb, jsonb, integer, text) from public;
grant execute on function federation.list_page(text, jsonb, jsonb, integer, text) to federation_peer;
comment on function federation.list_page(text, jsonb, jsonb, integer, text) is 'What federation_api.list answers, and how many rows that has.';

create or replace function federation_api.list(
  resource text, filter jsonb default null, "order" jsonb default null, first integer default null, after text default null
) returns json
language plpgsql
stable
set search_path = ''
as $$
begin
  return (federation.list_page(resource, filter, "order", first, after)).answer;
end;
$$;
revoke all on function federation_api.list(text, jsonb, jsonb, integer, text) from public;
grant execute on function federation_api.list(text, jsonb, jsonb, integer, text) to federation_peer;
comment on function federation_api.list(text, jsonb, jsonb, integer, text) is 'A keyset page of a resource: {"rows", "nextCursor", "capped"}.';
