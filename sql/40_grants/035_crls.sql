-- Guarantees: the numbers of an authority's lists only grow, whoever makes them; two gateways never make one at the same time.
create or replace function federation.begin_crl(authority_fingerprint text)
returns table (authority_id uuid, number bigint, der bytea, last_revocation bigint)
language plpgsql
volatile
security definer -- the gateway has no right on the tables
rows 1
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(hashtext('federation_crls'));
  return query
  select
    a.id,
    -- A database that was restored goes on where the clock is, above what was published before.
    greatest(c.number + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint),
    c.der,
    coalesce((select max(r.revocation_epoch) from federation.federation_certificates r), 0)
  from federation.federation_authorities a
  left join federation.federation_crls c on c.authority_id = a.id
  where a.fingerprint = authority_fingerprint;
end;
$$;
revoke all on function federation.begin_crl(text) from public;
grant execute on function federation.begin_crl(text) to federation_gateway;
comment on function federation.begin_crl(text) is
  'The number that an authority''s next list takes, the list that it has, and the count of revocations as of now. Others wait until the transaction ends.';

create or replace function federation.store_crl(
  authority_id uuid, number bigint, der bytea, this_update timestamptz, next_update timestamptz
) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  insert into federation.federation_crls as c (authority_id, number, der, this_update, next_update)
  values (authority_id, number, der, this_update, next_update)
  on conflict on constraint federation_crls_pkey do update
  set number = excluded.number, der = excluded.der, this_update = excluded.this_update, next_update = excluded.next_update
  where c.number < excluded.number;
$$;
revoke all on function federation.store_crl(uuid, bigint, bytea, timestamptz, timestamptz) from public;
grant execute on function federation.store_crl(uuid, bigint, bytea, timestamptz, timestamptz) to federation_gateway;
comment on function federation.store_crl(uuid, bigint, bytea, timestamptz, timestamptz) is 'Keeps a list that was signed; an older one than what is there changes nothing.';

create or replace function federation.published_crls()
returns table (fingerprint text, certificate_der bytea, number bigint, der bytea, this_update timestamptz, next_update timestamptz)
language sql
stable
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  select a.fingerprint, a.certificate_der, c.number, c.der, c.this_update, c.next_update
  from federation.federation_crls c
  join federation.federation_authorities a on a.id = c.authority_id
  where a.retired_at is null
  order by a.id is distinct from federation.signing_authority(), a.created_at desc;
$$;
revoke all on function federation.published_crls() from public;
grant execute on function federation.published_crls() to federation_gateway, federation_admin;
comment on function federation.published_crls() is 'The newest list of each authority that is trusted, that of the one which signs first.';
