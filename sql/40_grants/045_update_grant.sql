-- Guarantees: another scope holds from the commit on, on every gateway, for the next statement: every policy reads the grant as it is.
create or replace function federation.update_grant(grant_id uuid, scope jsonb) returns void
language plpgsql
volatile
security definer -- administrators change grants through these functions only
set search_path = ''
as $$
begin
  if not exists (select from federation.federation_grants g where g.id = update_grant.grant_id) then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  perform federation.check_scope(update_grant.scope);
  update federation.federation_grants g
  set scope = update_grant.scope
  where g.id = update_grant.grant_id and g.ended_at is null and coalesce(g.expires_at > now(), true);
  if not found then
    raise exception 'A grant that has ended stays as it is.' using errcode = 'MF031', hint = 'Create another.';
  end if;
end;
$$;
revoke all on function federation.update_grant(uuid, jsonb) from public;
grant execute on function federation.update_grant(uuid, jsonb) to federation_admin;
comment on function federation.update_grant(uuid, jsonb) is
  'Gives a grant that has not ended another scope. A cursor that the peer holds goes on, under the new one. Raises MF011, MF020, MF031.';
