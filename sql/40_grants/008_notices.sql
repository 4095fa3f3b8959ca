-- Guarantees: whatever ends, changes or suspends a grant, or revokes a certificate, tells every gateway when it commits: which one, and no row's data.
-- Nobody relies on a notice that comes: each transaction looks for itself. It closes sockets and stops statements sooner.
create or replace function federation.send_notice(notice jsonb) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  setting constant text := current_setting('federation.notices', true);
  sent constant integer := case when setting ~ '^[0-9]{1,9}$' then setting::integer else 0 end;
begin
  perform set_config('federation.notices', (sent + 1)::text, true);
  -- Beyond a thousand in one transaction, one for all: Postgres sends equal notices of a transaction once (documentation of NOTIFY).
  perform pg_notify('federation_grants', case when sent < 1000 then notice::text else '{"all": true}' end);
end;
$$;
revoke all on function federation.send_notice(jsonb) from public;
comment on function federation.send_notice(jsonb) is
  'Sends one notice on the channel federation_grants, a few hundred bytes at most; {"all": true} after the first thousand of a transaction.';

create or replace function federation.tg_federation_grants__notify() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform federation.send_notice(
    jsonb_build_object('grant', new.id, 'status', case when new.status = old.status then 'changed' else new.status end)
  );
  return null;
end;
$$;
revoke all on function federation.tg_federation_grants__notify() from public;
comment on function federation.tg_federation_grants__notify() is 'Tells gateways that a grant has another status or, as "changed", another scope.';

create or replace trigger _200_notify after update on federation.federation_grants
for each row when (old.status is distinct from new.status or old.scope is distinct from new.scope)
execute function federation.tg_federation_grants__notify();

create or replace function federation.tg_federation_certificates__notify() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  -- Where its grant has ended, the grant's own notice covers it.
  if exists (select from federation.federation_grants g where g.id = new.grant_id and g.ended_at is null) then
    perform federation.send_notice(jsonb_build_object('grant', new.grant_id, 'certificate', new.serial, 'status', 'revoked'));
  end if;
  return null;
end;
$$;
revoke all on function federation.tg_federation_certificates__notify() from public;
comment on function federation.tg_federation_certificates__notify() is 'Tells gateways that a certificate of a grant that goes on was revoked.';

create or replace trigger _200_notify after update on federation.federation_certificates
for each row when (old.revoked_at is null and new.revoked_at is not null)
execute function federation.tg_federation_certificates__notify();
