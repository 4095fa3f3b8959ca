-- Guarantees: what was read of a table leaves only where row-level security and the scope policy were on it as it was read, and where the registration is the
-- one that the statement was built from. Before the reading, that is as of a moment at which somebody may have been about to take them away; after it
-- the table is locked to the end of the transaction, and nobody does.
create or replace function federation.require_protected(resource text) returns void
language plpgsql
stable -- what it asks sees what was committed since
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

create or replace function federation.registration_seen(resource text) returns text
language plpgsql
stable -- sees what its statement sees, as whatever says which columns there are
security definer -- peers and users cannot read the catalogue of resources
set search_path = ''
as $$
begin
  -- The name is the one that the table has now, whatever the statement sees.
  return (select concat_ws(' ', r.xmin, r.ctid, r.table_id) from federation.federation_resources r where r.name = resource);
end;
$$;
revoke all on function federation.registration_seen(text) from public;
grant execute on function federation.registration_seen(text) to federation_peer, federation_user;
comment on function federation.registration_seen(text) is
  'Before a reading: which version of a registration the statement sees, and what its table is called now; for require_as_read alone. Null where there is none.';

create or replace function federation.registration_now(resource text) returns text
language plpgsql
volatile -- so that it sees what was committed since the statement began that asks
set search_path = ''
as $$
begin
  return federation.registration_seen(resource);
end;
$$;
revoke all on function federation.registration_now(text) from public;
comment on function federation.registration_now(text) is 'The same as of now.';

drop function if exists federation.require_as_read(text);
create or replace function federation.require_as_read(resource text, seen text) returns void
language plpgsql
stable
security definer -- what it asks is granted to nobody
set search_path = ''
as $$
begin
  -- By the same name another table may be registered by now, or fewer columns. And a statement names its table, which is resolved anew after a wait for
  -- it: where the table still has that name, it was this one that was read, for what was read keeps its name until the transaction ends.
  if federation.registration_now(resource) is distinct from seen then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;
  perform federation.require_protected(resource);
end;
$$;
revoke all on function federation.require_as_read(text, text) from public;
grant execute on function federation.require_as_read(text, text) to federation_peer, federation_user;
comment on function federation.require_as_read(text, text) is
  'After a reading: raises MF013 unless the table is protected, is still called what it was, and the registration is the one that registration_seen saw.';
