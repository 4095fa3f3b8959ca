-- Guarantees: a grant that is not active at this statement, or a certificate that is revoked, superseded or past its end, yields no row.
-- Every policy and verb learns of the grant through this function, inside its own transaction.
create or replace function federation.session_grant() returns setof federation.federation_grants
language sql
stable
security definer -- peers cannot read the tables of grants and certificates
rows 1
set search_path = ''
as $$
  select g.*
  from federation.current_session() as s (session)
  join federation.federation_grants g on g.id = (s.session ->> 'grant')::uuid
  join federation.federation_certificates c on c.serial = s.session ->> 'serial' and c.grant_id = g.id
  where s.session ->> 'kind' = 'peer'
    and g.status = 'active'
    and (g.expires_at is null or g.expires_at > statement_timestamp())
    and c.revoked_at is null
    and c.not_after > statement_timestamp()
    and not federation.is_superseded(c.serial);
$$;
revoke all on function federation.session_grant() from public;
comment on function federation.session_grant() is 'The active grant of this transaction''s session, read now; no row where there is none.';

create or replace function federation.current_subject() returns text
language sql
stable
security definer -- reads session_grant and current_session
set search_path = ''
as $$
  select coalesce(
    (select g.subject_user_id from federation.session_grant() g),
    (select s.session ->> 'user' from federation.current_session() as s (session) where s.session ->> 'kind' = 'user')
  );
$$;
revoke all on function federation.current_subject() from public;
grant execute on function federation.current_subject() to federation_peer, federation_user;
comment on function federation.current_subject() is 'The user whose native rights hold in this transaction: the subject of the active grant, or the local user; else null.';
