-- Guarantees: a grant that is not active at this statement, or a certificate that is revoked, superseded or past its end, yields no row.
-- Every policy and verb learns of the grant through this view, inside its own transaction. Policies ask several times a query, so the view becomes
-- part of the plan of whichever function reads it, and these functions are in plpgsql, which keeps their plans.
create or replace view federation.session_grant as
select g.*
from federation.current_session() as s (session)
join federation.federation_grants g on g.id = (s.session ->> 'grant')::uuid
join federation.good_certificates c on c.serial = s.session ->> 'serial' and c.grant_id = g.id
where s.session ->> 'kind' = 'peer'
  and g.status = 'active'
  and (g.expires_at is null or g.expires_at > statement_timestamp());
revoke all on federation.session_grant from public;
comment on view federation.session_grant is 'The active grant of this transaction''s session, read now; no row where there is none.';

create or replace function federation.current_subject() returns text
language plpgsql
stable
security definer -- reads session_grant and current_session
set search_path = ''
as $$
declare
  subject text;
begin
  select g.subject_user_id into subject from federation.session_grant g;
  if subject is null then
    select s.session ->> 'user' into subject from federation.current_session() as s (session) where s.session ->> 'kind' = 'user';
  end if;
  return subject;
end;
$$;
revoke all on function federation.current_subject() from public;
grant execute on function federation.current_subject() to federation_peer, federation_user;
comment on function federation.current_subject() is 'The user whose native rights hold in this transaction: the subject of the active grant, or the local user; else null.';
