-- Guarantees: what was read of a table leaves only where row-level security and the scope policy were on it as it was read. Before the reading, that is as
-- of a moment at which somebody may have been about to take them away; after it the table is locked to the end of the transaction, and nobody does.
create or replace function federation.require_protected(resource text) returns void
language plpgsql
volatile -- as describe_resource
set search_path = ''
as $$
begin
  if not coalesce((select d.is_protected from federation.describe_resource(resource) d), false) then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;
end;
$$;
revoke all on function federation.require_protected(text) from public;
grant execute on function federation.require_protected(text) to federation_peer, federation_user;
comment on function federation.require_protected(text) is 'Raises MF013 where row-level security or the scope policy was taken from a table.';
