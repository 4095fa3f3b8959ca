-- Guarantees: a signing key is in the database only sealed, and only gateway and administrators can read it there; the root that peers
-- have pinned is not replaced under them.
create or replace function federation.add_authority(id uuid, kind text, certificate_der bytea, fingerprint text, sealed_key bytea) returns void
language plpgsql
volatile
security definer -- administrators write authorities through this function only
set search_path = ''
as $$
begin
  -- Gateways that start at once on one database agree on one authority.
  perform pg_advisory_xact_lock(hashtext('federation_authorities'));
  if add_authority.kind = 'step-ca' and (select count(*) from federation.federation_authorities a where a.retired_at is null) > 1 then
    raise exception 'A rotation of the embedded authority has not ended, and step-ca would know one of the two roots only.'
      using errcode = 'MF031', hint = 'It ends by itself a day after the last certificate of the older root: mosaic ca status.';
  end if;
  -- The same root in other hands: a certificate server that stands below the root which signed before. Its key stays for going back.
  update federation.federation_authorities a set kind = add_authority.kind
  where a.fingerprint = add_authority.fingerprint and a.retired_at is null;
  if found then
    return;
  end if;
  if exists (select from federation.federation_authorities a where a.retired_at is null)
    and exists (
      select from federation.federation_grants g
      where g.status not in ('revoked', 'expired') and coalesce(g.expires_at > now(), true)
    ) then
    raise exception 'Peers have pinned another root than the one of this authority.'
      using errcode = 'MF031',
        hint = 'Let step-ca sign below the root that they know (mosaic step-ca prepare --below), or revoke every grant first.';
  end if;
  update federation.federation_authorities a set retired_at = now() where a.retired_at is null;
  insert into federation.federation_authorities (id, kind, certificate_der, fingerprint, sealed_key)
  values (add_authority.id, add_authority.kind, add_authority.certificate_der, add_authority.fingerprint, add_authority.sealed_key)
  -- One that was retired before comes back with the key that it had.
  on conflict on constraint federation_authorities_fingerprint_key do update
  set kind = excluded.kind, retired_at = null, created_at = now();
end;
$$;
revoke all on function federation.add_authority(uuid, text, bytea, text, bytea) from public;
grant execute on function federation.add_authority(uuid, text, bytea, text, bytea) to federation_admin;
comment on function federation.add_authority(uuid, text, bytea, text, bytea) is
  'Makes an authority the one that signs, its key sealed. Raises MF031 where peers have pinned another root.';

create or replace function federation.list_authorities() returns setof federation.federation_authorities
language sql
stable
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  select a.*
  from federation.federation_authorities a
  order by a.retired_at is not null, a.id is distinct from federation.signing_authority(), a.created_at desc, a.id;
$$;
revoke all on function federation.list_authorities() from public;
grant execute on function federation.list_authorities() to federation_gateway, federation_admin;
comment on function federation.list_authorities() is 'Every authority: the one that signs first, then the others that are trusted, then those that are retired, newest first.';

create or replace function federation.sealed_values() returns table (kind text, id uuid, sealed bytea)
language sql
stable
security definer -- administrators have no right on the tables
set search_path = ''
as $$
  select 'authority', a.id, a.sealed_key from federation.federation_authorities a where a.sealed_key is not null
  union all
  select 'peer', p.id, p.sealed_key from federation.federation_peers p;
$$;
revoke all on function federation.sealed_values() from public;
grant execute on function federation.sealed_values() to federation_admin;
comment on function federation.sealed_values() is 'Every sealed value and the row it belongs to: what a rotation of the sealing key seals again.';

create or replace function federation.reseal_value(kind text, id uuid, before bytea, after bytea) returns boolean
language plpgsql
volatile
security definer -- administrators have no right on the tables
set search_path = ''
as $$
begin
  -- Only what is still as it was read: a peer that renewed in between keeps its newer key.
  if kind = 'authority' then
    update federation.federation_authorities a set sealed_key = after where a.id = reseal_value.id and a.sealed_key = before;
  else
    update federation.federation_peers p set sealed_key = after where p.id = reseal_value.id and p.sealed_key = before;
  end if;
  return found;
end;
$$;
revoke all on function federation.reseal_value(text, uuid, bytea, bytea) from public;
grant execute on function federation.reseal_value(text, uuid, bytea, bytea) to federation_admin;
comment on function federation.reseal_value(text, uuid, bytea, bytea) is 'Replaces a sealed value if it has not changed since it was read; false where it has.';
