-- Guarantees: hits are rows of native rights ∩ scope, in resources that the scope admits; nothing about any other row changes an answer.
create or replace function federation_api.search(
  query text, resources text[] default null, first integer default null, after text default null, mode text default null,
  vector double precision[] default null
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  perform federation.require_active();
  return federation.search_rows(query, federation.require_searchable(resources), first, after, mode, vector, federation.scope_cap());
end;
$$;
revoke all on function federation_api.search(text, text[], integer, text, text, double precision[]) from public;
grant execute on function federation_api.search(text, text[], integer, text, text, double precision[]) to federation_peer;
comment on function federation_api.search(text, text[], integer, text, text, double precision[]) is
  'A page of ranked hits over resources: {"hits", "nextCursor", "capped"}.';
