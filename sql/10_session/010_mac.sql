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

create or replace function federation.mac(purpose text, message text) returns text
language plpgsql -- whose plan is kept: each policy of each query asks
stable strict
set search_path = ''
as $$
begin
  return (
    select encode(sha256(k.outer_key || sha256(k.inner_key || convert_to(mac.message, 'UTF8'))), 'hex')
    from federation.federation_keys k
    where k.purpose = mac.purpose
  );
end;
$$;
revoke all on function federation.mac(text, text) from public;
comment on function federation.mac(text, text) is
  'Message authentication code, 64 hex digits: two keyed SHA-256 nested, with independent keys (NMAC; Bellare, Canetti, Krawczyk 1996).';
