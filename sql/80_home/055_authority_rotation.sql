-- Guarantees: two authorities are trusted while certificates of both may be shown: from a minute before the newer one signs until a day after the last
-- certificate of the older one has ended, revoked or not, so that its revocation list is published as long as it says something. A clock that jumps by
-- a day retires none whose certificates are good.
-- Relies on: the authority that federation.record_certificate writes down, which is right but for the minutes around the change of hands.
create or replace function federation.rotate_authority(
  id uuid, certificate_der bytea, fingerprint text, sealed_key bytea, cross_certificate_der bytea
) returns void
language plpgsql
volatile
security definer -- administrators write authorities through these functions only
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtext('federation_authorities'));
  if (select count(*) from federation.federation_authorities a where a.retired_at is null) > 1 then
    raise exception 'Another rotation of the authority has not ended.'
      using errcode = 'MF031', hint = 'It ends by itself a day after the last certificate of the older root: mosaic ca status.';
  end if;
  if not exists (select from federation.federation_authorities a where a.retired_at is null and a.kind = 'embedded') then
    raise exception 'Only an embedded authority is rotated here.'
      using errcode = 'MF031', hint = 'A gateway that never ran has none yet; the root of step-ca is changed at step-ca.';
  end if;
  insert into federation.federation_authorities (id, kind, certificate_der, fingerprint, sealed_key, cross_certificate_der, created_at)
  values (
    rotate_authority.id, 'embedded', rotate_authority.certificate_der, rotate_authority.fingerprint, rotate_authority.sealed_key,
    rotate_authority.cross_certificate_der,
    -- The newest, though the clock was set back since the one before was made.
    greatest(clock_timestamp(), (select max(a.created_at) from federation.federation_authorities a) + interval '1 microsecond')
  );
  perform federation.send_notice('{"authorities": true}');
end;
$$;
revoke all on function federation.rotate_authority(uuid, bytea, text, bytea, bytea) from public;
grant execute on function federation.rotate_authority(uuid, bytea, text, bytea, bytea) to federation_admin;
comment on function federation.rotate_authority(uuid, bytea, text, bytea, bytea) is
  'Adds the authority that takes over from the embedded one, its key sealed and certified by the one before. Raises MF031 while two are trusted.';

create or replace function federation.authority_status() returns table (
  id uuid, kind text, fingerprint text, certificate_der bytea, created_at timestamptz, retired_at timestamptz, signs boolean,
  live_certificates bigint, last_ends timestamptz
)
language sql
stable
security definer -- administrators have no right on the tables
set search_path = ''
as $$
  with trusted as (
    select a.id, a.created_at, row_number() over (order by a.created_at, a.id) = 1 as oldest
    from federation.federation_authorities a
    where a.retired_at is null
  ), unended as (
    select
      c.not_after,
      c.revoked_at,
      case
        when c.authority_id is null then (select t.id from trusted t where t.oldest)
        -- Around the change of hands it is not known for sure who signed. And for ten minutes URLs pin the older root, each for 15 minutes: a peer that
        -- used one knows no other root before its first renewal.
        when c.issued_at < (select t.created_at + interval '30 minutes' from trusted t where t.id = c.authority_id and not t.oldest)
          then (select t.id from trusted t where t.oldest)
        else c.authority_id
      end as authority_id
    from federation.federation_certificates c
    where c.not_after > now() - interval '1 day'
  )
  select
    a.id, a.kind, a.fingerprint, a.certificate_der, a.created_at, a.retired_at, a.id is not distinct from federation.signing_authority(),
    (select count(*) from unended u where u.authority_id = a.id and u.revoked_at is null and u.not_after > now()),
    (select max(u.not_after) from unended u where u.authority_id = a.id)
  from federation.federation_authorities a
  order by a.retired_at is not null, a.created_at desc, a.id;
$$;
revoke all on function federation.authority_status() from public;
grant execute on function federation.authority_status() to federation_admin;
comment on function federation.authority_status() is
  'Every authority, newest first: whether it signs, how many of its certificates are good, and when the last of them, a revoked one included, ends or has ended within a day.';

create or replace function federation.retire_authorities() returns setof text
language plpgsql
volatile
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
begin
  return query
  update federation.federation_authorities a
  set retired_at = now()
  from federation.authority_status() s
  where s.id = a.id
    and a.retired_at is null
    and s.last_ends is null
    -- An hour, so that enrollment URLs that pin the older root, and what it was still signing, are recorded before.
    and exists (
      select from federation.federation_authorities n
      where n.retired_at is null and n.created_at > a.created_at and n.created_at <= now() - interval '1 hour'
    )
  returning a.fingerprint;
  if found then
    perform federation.send_notice('{"authorities": true}');
  end if;
end;
$$;
revoke all on function federation.retire_authorities() from public;
grant execute on function federation.retire_authorities() to federation_worker, federation_admin;
comment on function federation.retire_authorities() is
  'Ends a rotation: retires an authority that has a successor a day after the last of its certificates has ended, and returns its fingerprint.';

create or replace function federation.retire_authority(fingerprint text) returns bigint
language plpgsql
volatile
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
declare
  going record;
begin
  perform pg_advisory_xact_lock(hashtext('federation_authorities'));
  select s.* into going from federation.authority_status() s where s.fingerprint = retire_authority.fingerprint and s.retired_at is null;
  if not found then
    raise exception 'There is no such root that is trusted.' using errcode = 'MF011';
  end if;
  if not exists (
    select from federation.federation_authorities n where n.retired_at is null and n.created_at > going.created_at
  ) then
    raise exception 'No other root would take over: make one first (mosaic ca rotate).' using errcode = 'MF031';
  end if;
  update federation.federation_authorities a set retired_at = now() where a.id = going.id;
  perform federation.send_notice('{"authorities": true}');
  return going.live_certificates;
end;
$$;
revoke all on function federation.retire_authority(text) from public;
grant execute on function federation.retire_authority(text) to federation_admin;
comment on function federation.retire_authority(text) is
  'Trusts a root no more from now on, whose key was stolen, and returns how many good certificates are refused by that. Raises MF011, MF031.';
