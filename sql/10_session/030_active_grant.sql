-- Guarantees: a grant that is not active at this statement, or a certificate that is revoked or past its end, yields null.
-- Every policy and verb learns of the grant through this function, inside its own transaction.
-- In plpgsql, as what calls it is, so that the plan is kept: it runs several times a query.
create or replace function federation.active_grant() returns federation.federation_grants
language plpgsql
stable
security definer -- peers cannot read the tables of grants and certificates
set search_path = ''
as $$
declare
  session constant jsonb := federation.current_session();
  the_grant federation.federation_grants;
begin
  if session ->> 'kind' = 'peer' then
    select g.* into the_grant
    from federation.federation_grants g
    join federation.federation_certificates c on c.serial = session ->> 'serial' and c.grant_id = g.id
    where g.id = (session ->> 'grant')::uuid
      and g.status = 'active'
      and (g.expires_at is null or g.expires_at > statement_timestamp())
      and c.revoked_at is null
      and c.not_after > statement_timestamp();
  end if;
  return the_grant;
end;
$$;
revoke all on function federation.active_grant() from public;
comment on function federation.active_grant() is 'The active grant of this transaction''s session, read now; null where there is none.';

create or replace function federation.current_subject() returns text
language plpgsql
stable
security definer -- reads active_grant and current_session
set search_path = ''
as $$
declare
  session jsonb;
  subject constant text := (federation.active_grant()).subject_user_id;
begin
  if subject is null then
    session := federation.current_session();
    return case when session ->> 'kind' = 'user' then session ->> 'user' end;
  end if;
  return subject;
end;
$$;
revoke all on function federation.current_subject() from public;
grant execute on function federation.current_subject() to federation_peer, federation_user;
comment on function federation.current_subject() is 'The user whose native rights hold in this transaction: the subject of the active grant, or the local user; else null.';
