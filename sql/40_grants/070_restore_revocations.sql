-- Guarantees: a database that was restored from a backup learns again what was revoked since: nothing that was published as revoked serves, is
-- issued anew or is missing from the CRL, and the count of revocations is not behind.
create or replace function federation.tg_federation_restored_revocations__keep() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' and old.not_after <= now() then
    return old;
  end if;
  raise exception 'A revoked certificate stays on record until it would have ended.' using errcode = 'MF031';
end;
$$;
revoke all on function federation.tg_federation_restored_revocations__keep() from public;
comment on function federation.tg_federation_restored_revocations__keep() is 'Refuses to forget a revocation.';

create or replace trigger _100_keep before update or delete on federation.federation_restored_revocations
for each row execute function federation.tg_federation_restored_revocations__keep();
alter table federation.federation_restored_revocations enable always trigger _100_keep;

create or replace trigger _110_keep_truncate before truncate on federation.federation_restored_revocations
for each statement execute function federation.tg_federation_restored_revocations__keep();
alter table federation.federation_restored_revocations enable always trigger _110_keep_truncate;

create or replace function federation.revocation_epoch() returns bigint
language sql
volatile
security definer -- no other role may read the sequence
set search_path = ''
as $$
  select case when s.is_called then s.last_value else 0 end from federation.federation_revocation_epoch s;
$$;
revoke all on function federation.revocation_epoch() from public;
grant execute on function federation.revocation_epoch() to federation_gateway, federation_admin;
comment on function federation.revocation_epoch() is 'The count of revocations, 0 before the first. It never falls, but in a database that was restored from a backup.';

create or replace function federation.restore_revocations(revoked jsonb, epoch bigint default 0)
returns table (certificates_revoked integer, certificates_remembered integer, grants_ended integer)
language plpgsql
volatile
security definer -- administrators change grants and certificates through these functions only
set search_path = ''
as $$
declare
  entry record;
  ended boolean;
begin
  certificates_revoked := 0;
  certificates_remembered := 0;
  grants_ended := 0;
  if revoked is null or jsonb_typeof(revoked) <> 'array' then
    raise exception 'What was revoked is a JSON list.' using errcode = 'MF012', detail = '{"path": "revoked"}';
  end if;
  if epoch - federation.revocation_epoch() > 10000000 then
    raise exception 'A database that is behind by so many revocations is another one.' using errcode = 'MF012', detail = '{"path": "epoch"}';
  end if;
  -- Before the revocations, which are counted beyond it, and by counting: to set the count would take back what others count at the same time.
  -- Nothing undoes it, were this transaction to fail: the count may only be too high.
  perform nextval('federation.federation_revocation_epoch') from generate_series(federation.revocation_epoch() + 1, epoch);
  for entry in
    select r.serial, r."grant", coalesce(r.reason, 'unspecified') as reason, r."revokedAt" as revoked_at, r."notAfter" as not_after, e.n
    from jsonb_array_elements(revoked) with ordinality as e (item, n)
    cross join lateral jsonb_to_record(e.item) as r (serial text, "grant" uuid, reason text, "revokedAt" timestamptz, "notAfter" timestamptz)
    order by e.n
  loop
    if entry.serial is null or entry.serial !~ '^[0-9a-f]{2,40}$' or entry.revoked_at is null or entry.not_after is null or entry.reason not in (
      'unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn'
    ) then
      raise exception 'Entry % is no revoked certificate.', entry.n
        using errcode = 'MF012', detail = jsonb_build_object('path', format('revoked.%s', entry.n - 1))::text,
          hint = '{"serial", "grant", "reason", "revokedAt", "notAfter"}; the grant may be null.';
    end if;
    if exists (select from federation.federation_certificates c where c.serial = entry.serial) then
      certificates_revoked := certificates_revoked + (
        select count(*) from federation.revoke_lineage(entry.serial, entry.reason, entry.revoked_at)
      );
      entry."grant" := (select c.grant_id from federation.federation_certificates c where c.serial = entry.serial);
    else
      insert into federation.federation_restored_revocations (serial, revoked_at, revocation_reason, not_after)
      values (entry.serial, entry.revoked_at, entry.reason, entry.not_after)
      on conflict (serial) do nothing;
      certificates_remembered := certificates_remembered + case when found then 1 else 0 end;
    end if;
    ended := case entry.reason
      when 'privilegeWithdrawn' then federation.end_grant(entry."grant", 'revoked', 'revoked before the database was restored')
      when 'cessationOfOperation' then federation.end_grant(entry."grant", 'expired', 'expired before the database was restored')
    end;
    grants_ended := grants_ended + case when ended then 1 else 0 end;
  end loop;
  -- One that is unspent here may have been spent since, or replaced, or its grant may have ended: who is to enroll gets another. Last, for grants are
  -- locked before what belongs to them.
  delete from federation.federation_enrollment_tokens t where t.used_at is null;
  return next;
exception
  when data_exception then
    raise exception 'What was revoked cannot be read: %', sqlerrm using errcode = 'MF012', detail = '{"path": "revoked"}';
end;
$$;
revoke all on function federation.restore_revocations(jsonb, bigint) from public;
grant execute on function federation.restore_revocations(jsonb, bigint) to federation_admin;
comment on function federation.restore_revocations(jsonb, bigint) is
  'Takes in what was published as revoked, [{"serial", "grant", "reason", "revokedAt", "notAfter"}], '
  'and up to which count; unspent enrollment tokens end. Safe to repeat. Raises MF012.';
