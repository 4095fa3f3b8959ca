-- Guarantees: a grant moves only along pending → active ⇄ suspended → revoked or expired; what has ended stays ended, and whom a
-- grant speaks for never changes.
create or replace function federation.tg_federation_grants__lifecycle() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' then
      raise exception 'A grant begins as pending.' using errcode = 'MF031';
    end if;
    return new;
  end if;
  if (new.id, new.subject_user_id, new.peer_host, new.created_at, new.created_by)
    is distinct from (old.id, old.subject_user_id, old.peer_host, old.created_at, old.created_by) then
    raise exception 'Whom a grant speaks for does not change: create another.' using errcode = 'MF031';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
    ('pending', 'active'), ('pending', 'revoked'), ('pending', 'expired'),
    ('active', 'suspended'), ('active', 'revoked'), ('active', 'expired'),
    ('suspended', 'active'), ('suspended', 'revoked'), ('suspended', 'expired')
  ) then
    raise exception 'A grant that is % cannot become %.', old.status, new.status using errcode = 'MF031';
  end if;
  return new;
end;
$$;
revoke all on function federation.tg_federation_grants__lifecycle() from public;
comment on function federation.tg_federation_grants__lifecycle() is 'Refuses a change of status that the lifecycle does not know.';

create or replace trigger _100_lifecycle before insert or update on federation.federation_grants
for each row execute function federation.tg_federation_grants__lifecycle();
