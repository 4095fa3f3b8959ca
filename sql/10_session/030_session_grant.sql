-- Guarantees: a grant that is not active at this statement, or a certificate that is revoked, superseded or past its end, yields no row.
-- Every policy and verb learns of the grant by these views, inside its own transaction. Policies ask several times a query, so the views become
-- part of the plan of whichever function reads them, and these functions are in plpgsql, which keeps their plans.
create or replace view federation.active_grants as
-- A column that grants come to have can only be added at the end.
select c.serial, c.fingerprint, g.*
from federation.federation_grants g
join federation.good_certificates c on c.grant_id = g.id
where g.status = 'active' and (g.expires_at is null or g.expires_at > statement_timestamp());
revoke all on federation.active_grants from public;
comment on view federation.active_grants is 'Grants that are active at this statement, each with every certificate that is good for it.';

create or replace view federation.session_grant as
select g.*
from federation.current_session() as s (session)
join federation.federation_grants g on g.id = (s.session ->> 'grant')::uuid
where s.session ->> 'kind' = 'peer'
  and exists (select from federation.active_grants a where a.id = g.id and a.serial = s.session ->> 'serial');
revoke all on federation.session_grant from public;
comment on view federation.session_grant is 'The active grant of this transaction''s session, read now; no row where there is none.';

create or replace function federation.session_facts() returns jsonb
language plpgsql -- whose plan is kept: policies ask, several times a statement
stable
set search_path = ''
as $$
declare
  as_of constant text := federation.as_of();
  facts jsonb := federation.recall('federation.facts', as_of)::jsonb;
  session jsonb;
  ignored text;
begin
  if facts is null then
    session := federation.current_session();
    facts := case session ->> 'kind'
      when 'peer' then (
        select jsonb_build_object('subject', a.subject_user_id, 'scope', a.scope)
        from federation.active_grants a
        where a.id = (session ->> 'grant')::uuid and a.serial = session ->> 'serial'
      )
      when 'user' then jsonb_build_object('subject', session -> 'user')
    end;
    facts := coalesce(facts, '{}');
    ignored := federation.remember('federation.facts', as_of, facts::text);
  end if;
  return facts;
end;
$$;
revoke all on function federation.session_facts() from public;
comment on function federation.session_facts() is
  'Of the active grant its {"subject", "scope"}, of a local user the {"subject"}; {} where there is neither. Read once a statement.';

create or replace function federation.current_subject() returns text
language plpgsql
stable
security definer -- reads the session
set search_path = ''
as $$
begin
  return federation.session_facts() ->> 'subject';
end;
$$;
revoke all on function federation.current_subject() from public;
grant execute on function federation.current_subject() to federation_peer, federation_user;
comment on function federation.current_subject() is 'The user whose native rights hold in this transaction: the subject of the active grant, or the local user; else null.';
