-- Guarantees: an authority that was just made signs nothing yet, and no enrollment URL pins it, before every gateway of the database has had the
-- time to read of it. Relies on: gateways that read their authorities every 30 seconds, and sign nothing once they could not for five minutes.
create or replace function federation.signing_authority(known_for interval default '1 minute') returns uuid
language sql
stable
set search_path = ''
as $$
  select coalesce(
    (
      select a.id from federation.federation_authorities a
      where a.retired_at is null and a.created_at <= now() - known_for
      order by a.created_at desc, a.id limit 1
    ),
    (select a.id from federation.federation_authorities a where a.retired_at is null order by a.created_at, a.id limit 1)
  );
$$;
revoke all on function federation.signing_authority(interval) from public;
comment on function federation.signing_authority(interval) is
  'The newest authority that is not retired and was made so long ago, else the oldest that is not retired; null where there is none.';
