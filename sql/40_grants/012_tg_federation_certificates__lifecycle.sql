-- Guarantees: a certificate that was revoked stays so, with its time and its reason, and stays on record until it would have ended; each
-- revocation counts, whoever made it; nothing is issued for what has ended, nor below what was revoked.
create or replace function federation.tg_federation_certificates__lifecycle() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  if tg_op = 'TRUNCATE' or (tg_op = 'DELETE' and old.revoked_at is not null and old.not_after > now()) then
    raise exception 'A revoked certificate stays on record until it would have ended.' using errcode = 'MF031';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  if tg_op = 'INSERT' then
    -- Waits for whoever is ending the grant or revoking its certificates, who holds the row: neither misses the other.
    perform from federation.federation_grants g where g.id = new.grant_id and g.ended_at is null for share;
    if not found then
      raise exception 'The grant of the certificate has ended.' using errcode = 'MF031';
    end if;
    if exists (select from federation.federation_restored_revocations r where r.serial = new.serial) then
      raise exception 'A certificate of this serial was revoked before the database was restored.' using errcode = 'MF031';
    end if;
    if new.renewed_from is not null and not exists (
      select from federation.federation_certificates c
      where c.serial = new.renewed_from and c.grant_id = new.grant_id and c.revoked_at is null and c.not_after > statement_timestamp()
    ) then
      raise exception 'A certificate is renewed from a live one of the same grant.' using errcode = 'MF031';
    end if;
    new.revocation_epoch := case when new.revoked_at is not null then nextval('federation.federation_revocation_epoch') end;
    return new;
  end if;
  if (new.serial, new.grant_id, new.fingerprint, new.issued_at, new.renewed_from, new.enrollment)
    is distinct from (old.serial, old.grant_id, old.fingerprint, old.issued_at, old.renewed_from, old.enrollment) then
    raise exception 'What a certificate was issued for does not change.' using errcode = 'MF031';
  end if;
  if old.revoked_at is not null and (new.revoked_at, new.revocation_reason, new.revocation_epoch, new.not_before, new.not_after)
    is distinct from (old.revoked_at, old.revocation_reason, old.revocation_epoch, old.not_before, old.not_after) then
    raise exception 'A certificate that was revoked stays as it is.' using errcode = 'MF031';
  end if;
  if old.revoked_at is null then
    new.revocation_epoch := case when new.revoked_at is not null then nextval('federation.federation_revocation_epoch') end;
  end if;
  return new;
end;
$$;
revoke all on function federation.tg_federation_certificates__lifecycle() from public;
comment on function federation.tg_federation_certificates__lifecycle() is 'Refuses to un-revoke, and to issue what would be revoked; counts revocations.';

create or replace trigger _100_lifecycle before insert or update or delete on federation.federation_certificates
for each row execute function federation.tg_federation_certificates__lifecycle();
alter table federation.federation_certificates enable always trigger _100_lifecycle;

create or replace trigger _110_lifecycle_truncate before truncate on federation.federation_certificates
for each statement execute function federation.tg_federation_certificates__lifecycle();
alter table federation.federation_certificates enable always trigger _110_lifecycle_truncate;
