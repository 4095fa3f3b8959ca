-- Guarantees: policies that an application brought along see the subject in the settings they read, for this transaction only.
-- Relies on: federation_resources.identity_settings, checked by federation.check_identity_settings at registration. The function is written from these
-- rows, and again whenever they change: each request calls it.
create or replace function federation.assume_identity_body() returns text
language sql
stable
set search_path = ''
as $$
  select concat('declare ignored text; begin ', string_agg(format('ignored := set_config(%L, %s, true); ', s.key, s.value), '' order by s.key, s.value), 'end')
  from (
    select distinct
      s.key,
      case jsonb_typeof(s.value)
        when 'string' then format('replace(%L, ''{subject}'', $1)', s.value #>> '{}')
        else format('replace(%L, ''"{subject}"'', to_jsonb($1)::text)', s.value)
      end as value
    from federation.federation_resources r
    cross join lateral jsonb_each(r.identity_settings -> 'settings') as s
  ) as s;
$$;
revoke all on function federation.assume_identity_body() from public;
comment on function federation.assume_identity_body() is 'What assume_identity does, from the identity settings of all resources.';

create or replace function federation.assume_identity_is_stale() returns boolean
language sql
stable
set search_path = ''
as $$
  select federation.assume_identity_body() is distinct from (select p.prosrc from pg_proc p where p.oid = to_regprocedure('federation.assume_identity(text)'));
$$;
revoke all on function federation.assume_identity_is_stale() from public;
comment on function federation.assume_identity_is_stale() is 'Whether assume_identity is another than the resources that there are make it.';

create or replace function federation.lock_registrations() returns void
language plpgsql
volatile
security definer -- administrators have no rights on the table itself
set search_path = ''
as $$
begin
  -- Whoever waited looks again at what was done meanwhile, which these alone can see.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Registrations are changed in transactions that see what is committed meanwhile.'
      using errcode = 'invalid_transaction_state', hint = 'Begin with: begin isolation level read committed';
  end if;
  -- Whoever brings a database to a release has the table for itself before it comes to the other lock.
  lock table federation.federation_resources in row exclusive mode;
  perform pg_advisory_xact_lock(hashtext('federation.assume_identity'));
end;
$$;
revoke all on function federation.lock_registrations() from public;
grant execute on function federation.lock_registrations() to federation_admin;
comment on function federation.lock_registrations() is
  'Waits for whoever writes functions from registrations, and keeps others from it to the end of the transaction. Taken before any lock of a table.';

create or replace function federation.rebuild_assume_identity() returns void
language plpgsql
volatile
security definer -- the function it writes must belong to federation_owner
set search_path = ''
as $$
begin
  -- Two registrations at once would write it at once, each without the other's settings. Whoever has not changed a resource asks whether it is stale
  -- before: the lock is held by each registration to its end, and one that comes to it from another side than registrations do could lock them both up.
  perform federation.lock_registrations();
  if federation.assume_identity_is_stale() then
    execute format(
      $f$create or replace function federation.assume_identity(subject text) returns void
        language plpgsql
        volatile
        set search_path = ''
        as %L$f$,
      federation.assume_identity_body()
    );
    revoke all on function federation.assume_identity(text) from public;
    comment on function federation.assume_identity(text) is
      'Writes the identity settings of every resource, "{subject}" replaced, for the rest of the transaction. Written by federation.rebuild_assume_identity.';
  end if;
end;
$$;
revoke all on function federation.rebuild_assume_identity() from public;
comment on function federation.rebuild_assume_identity() is 'Writes assume_identity from the identity settings of all resources.';

create or replace function federation.tg_federation_resources__assume_identity() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform federation.rebuild_assume_identity();
  return null;
end;
$$;
revoke all on function federation.tg_federation_resources__assume_identity() from public;
comment on function federation.tg_federation_resources__assume_identity() is 'Who is registered is whose settings are written.';

create or replace trigger _400_assume_identity
after insert or update or delete on federation.federation_resources
for each row execute function federation.tg_federation_resources__assume_identity();
create or replace trigger _400_assume_identity_truncate
after truncate on federation.federation_resources
for each statement execute function federation.tg_federation_resources__assume_identity();
-- Also for rows that replication or a restore brings, for which no trigger of a statement runs.
alter table federation.federation_resources enable always trigger _400_assume_identity;
alter table federation.federation_resources enable always trigger _400_assume_identity_truncate;

select federation.rebuild_assume_identity() where federation.assume_identity_is_stale();
