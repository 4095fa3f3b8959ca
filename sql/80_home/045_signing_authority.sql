-- Guarantees: an authority that was just made signs nothing yet, and no enrollment URL pins it, before every gateway of the database has had the
-- time to read of it; one that has begun to sign goes on, whatever a clock says.
-- Relies on: gateways that read their authorities every 30 seconds, and sign nothing once they could not for five minutes.
create or replace function federation.signing_authority() returns uuid
language sql
stable
set search_path = ''
as $$
  select coalesce(
    (
      select a.id from federation.federation_authorities a
      where a.retired_at is null
        and (
          a.created_at <= now() - interval '1 minute'
          -- Peers may know this one alone by now.
          or exists (select from federation.federation_certificates c where c.authority_id = a.id)
        )
      order by a.created_at desc, a.id limit 1
    ),
    (select a.id from federation.federation_authorities a where a.retired_at is null order by a.created_at, a.id limit 1)
  );
$$;
revoke all on function federation.signing_authority() from public;
comment on function federation.signing_authority() is
  'The newest authority that is not retired and was made a minute ago or has signed, else the oldest that is not retired; null where there is none.';

create or replace function federation.pinned_authority() returns uuid
language sql
stable
set search_path = ''
as $$
  select coalesce(
    (
      select a.id from federation.federation_authorities a
      where a.retired_at is null and a.created_at <= now() - interval '10 minutes'
      order by a.created_at desc, a.id limit 1
    ),
    (select a.id from federation.federation_authorities a where a.retired_at is null order by a.created_at, a.id limit 1)
  );
$$;
revoke all on function federation.pinned_authority() from public;
comment on function federation.pinned_authority() is
  'The authority whose root new enrollment URLs name: the newest by which every gateway has shown itself for minutes, else the oldest that is trusted.';
