-- Guarantees: a code made for one purpose is of no use for another, and only federation_owner can make one.
-- Relies on: federation_keys, filled here once with keys of 32 bytes drawn from gen_random_uuid().
insert into federation.federation_keys (purpose, inner_key, outer_key)
select
  p.purpose,
  sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
from
  unnest(array['session', 'cursor']) as p (purpose)
on conflict (purpose) do nothing;

create or replace function federation.nested_mac(inner_key bytea, outer_key bytea, message text) returns text
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
stable
return encode(sha256(outer_key || sha256(inner_key || convert_to(message, 'UTF8'))), 'hex');
revoke all on function federation.nested_mac(bytea, bytea, text) from public;
comment on function federation.nested_mac(bytea, bytea, text) is
  'Message authentication code, 64 hex digits: two keyed SHA-256 nested, with independent keys (NMAC; Bellare, Canetti, Krawczyk 1996).';

-- Called "immutable", keys are read when a backend plans what asks for them, and are part of its plans: a table is not read a dozen times a request for
-- what does not change. Whoever replaces keys by hand ends the connections of the gateways, or sessions and cursors are refused.
create or replace function federation.inner_key(purpose text) returns bytea
language plpgsql
immutable strict
set search_path = ''
as $$
begin
  return (select k.inner_key from federation.federation_keys k where k.purpose = inner_key.purpose);
end;
$$;
revoke all on function federation.inner_key(text) from public;
comment on function federation.inner_key(text) is 'The key of a purpose that is next to the message.';

create or replace function federation.outer_key(purpose text) returns bytea
language plpgsql
immutable strict
set search_path = ''
as $$
begin
  return (select k.outer_key from federation.federation_keys k where k.purpose = outer_key.purpose);
end;
$$;
revoke all on function federation.outer_key(text) from public;
comment on function federation.outer_key(text) is 'The key of a purpose that is around the code of the other.';

create or replace function federation.mac(purpose text, message text) returns text
language sql -- as nested_mac
stable
return federation.nested_mac(federation.inner_key(purpose), federation.outer_key(purpose), message);
revoke all on function federation.mac(text, text) from public;
comment on function federation.mac(text, text) is 'The code of a message under the keys of a purpose.';
