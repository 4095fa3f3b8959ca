-- Guarantees: the audit log and its archive never change: UPDATE, DELETE and TRUNCATE are refused to every role, federation_owner included.
create or replace function federation.tg_federation_audit_log__append_only() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  raise exception 'The audit log is append-only.' using errcode = 'MF031';
end;
$$;
revoke all on function federation.tg_federation_audit_log__append_only() from public;
comment on function federation.tg_federation_audit_log__append_only() is 'Refuses every change of a row that was written.';

create or replace trigger _100_append_only before update or delete on federation.federation_audit_log
for each row execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _100_append_only before update or delete on federation.federation_audit_archive
for each row execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _110_append_only_truncate before truncate on federation.federation_audit_archive
for each statement execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _110_append_only_truncate before truncate on federation.federation_audit_log
for each statement execute function federation.tg_federation_audit_log__append_only();

create or replace trigger _110_append_only_truncate before truncate on federation.federation_audit_log_default
for each statement execute function federation.tg_federation_audit_log__append_only();
