-- Guarantees: of whoever signs lists, the numbers only grow; two gateways never make one at the same time. The same root may have signed lists itself
-- and have step-ca below it, whose lists have numbers of their own, and so may step-ca's intermediates: the newest of each kind is kept.
create or replace function federation.begin_crl(authority_fingerprint text)
returns table (authority_id uuid, number bigint, last_revocation bigint)
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
    greatest(
      (select max(c.number) + 1 from federation.federation_crls c where c.authority_id = a.id), floor(extract(epoch from clock_timestamp()) * 1000)::bigint
    ),
    coalesce((select max(r.revocation_epoch) from federation.federation_certificates r), 0)
  from federation.federation_authorities a
  where a.fingerprint = authority_fingerprint;
end;
$$;
revoke all on function federation.begin_crl(text) from public;
grant execute on function federation.begin_crl(text) to federation_gateway;
comment on function federation.begin_crl(text) is
  'The number that an authority''s next list takes, and the count of revocations as of now. Others wait until the transaction ends.';

create or replace function federation.store_crl(
  authority_id uuid, kind text, issuer text, number bigint, der bytea, this_update timestamptz, next_update timestamptz
) returns boolean
language plpgsql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
begin
  insert into federation.federation_crls as c (authority_id, kind, issuer, number, der, this_update, next_update)
  values (
    store_crl.authority_id, store_crl.kind, store_crl.issuer, store_crl.number, store_crl.der, store_crl.this_update, store_crl.next_update
  )
  on conflict on constraint federation_crls_pkey do update
  set issuer = excluded.issuer, number = excluded.number, der = excluded.der, this_update = excluded.this_update, next_update = excluded.next_update
  where c.issuer <> excluded.issuer
    or c.number < excluded.number
    -- One whose numbers began anew, as after a restore, is heard again once what it said before holds no more.
    or c.next_update <= clock_timestamp();
  return exists (
    select from federation.federation_crls c
    where c.authority_id = store_crl.authority_id and c.kind = store_crl.kind and c.issuer = store_crl.issuer and c.number = store_crl.number
  );
end;
$$;
revoke all on function federation.store_crl(uuid, text, text, bigint, bytea, timestamptz, timestamptz) from public;
grant execute on function federation.store_crl(uuid, text, text, bigint, bytea, timestamptz, timestamptz) to federation_gateway;
comment on function federation.store_crl(uuid, text, text, bigint, bytea, timestamptz, timestamptz) is
  'Keeps a list that was signed; false where a newer one of the same issuer is there, which stays while it is good.';

create or replace function federation.published_crls() returns table (
  fingerprint text, kind text, issuer text, number bigint, der bytea, this_update timestamptz, next_update timestamptz, signs boolean
)
language sql
stable
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  select a.fingerprint, c.kind, c.issuer, c.number, c.der, c.this_update, c.next_update, c.kind = a.kind
  from federation.federation_crls c
  join federation.federation_authorities a on a.id = c.authority_id
  where a.retired_at is null
  order by a.id is distinct from federation.signing_authority(), a.created_at desc, c.kind <> a.kind;
$$;
revoke all on function federation.published_crls() from public;
grant execute on function federation.published_crls() to federation_gateway, federation_admin;
comment on function federation.published_crls() is
  'The newest lists of each authority that is trusted, that of the one which signs first; "signs" is false of a list of whoever signed by the same root before.';
