-- Guarantees: from the commit on, no transaction of any gateway of this database finds the grant active.
create or replace function federation.revoke_grant(grant_id uuid, reason text default null) returns void
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
begin
  if not federation.end_grant(grant_id, 'revoked', reason)
    and not exists (select from federation.federation_grants g where g.id = revoke_grant.grant_id) then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.revoke_grant(uuid, text) from public;
grant execute on function federation.revoke_grant(uuid, text) to federation_admin;
comment on function federation.revoke_grant(uuid, text) is 'Revokes a grant and its certificates; a grant that has ended stays as it is. Raises MF011.';

create or replace function federation.set_grant_suspended(grant_id uuid, suspended boolean) returns void
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
begin
  update federation.federation_grants g
  set status = case when suspended then 'suspended' else 'active' end
  where g.id = set_grant_suspended.grant_id and g.status in ('active', 'suspended');
  if not found then
    if exists (select from federation.federation_grants g where g.id = set_grant_suspended.grant_id) then
      raise exception 'Only a grant that is active or suspended can be suspended or resumed.' using errcode = 'MF031';
    end if;
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.set_grant_suspended(uuid, boolean) from public;
comment on function federation.set_grant_suspended(uuid, boolean) is 'Moves a grant between active and suspended. Raises MF011, MF031.';

create or replace function federation.suspend_grant(grant_id uuid) returns void
language sql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
  select federation.set_grant_suspended(grant_id, true);
$$;
revoke all on function federation.suspend_grant(uuid) from public;
grant execute on function federation.suspend_grant(uuid) to federation_admin;
comment on function federation.suspend_grant(uuid) is 'Suspends an active grant until federation.resume_grant. Raises MF011, MF031.';

create or replace function federation.resume_grant(grant_id uuid) returns void
language sql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
  select federation.set_grant_suspended(grant_id, false);
$$;
revoke all on function federation.resume_grant(uuid) from public;
grant execute on function federation.resume_grant(uuid) to federation_admin;
comment on function federation.resume_grant(uuid) is 'Makes a suspended grant active again. Raises MF011, MF031.';
