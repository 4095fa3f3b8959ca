-- Guarantees: a grant that is not active at this statement, or a certificate that is revoked, superseded or past its end, yields no row.
-- Every policy and verb learns of the grant by these views, inside its own transaction. Policies ask several times a query, so the views become
-- part of the plan of whichever function reads them, and these functions are in plpgsql, which keeps their plans.

-- Of an earlier release.
drop view if exists federation.active_grants cascade;

create or replace view federation.grants_in_force as
select g.id, c.serial, c.fingerprint, g.subject_user_id, g.scope, least(g.expires_at, c.ends_at) as ends_at
from federation.federation_grants g
join federation.certificate_ends c on c.grant_id = g.id
where g.status = 'active' and c.revoked_at is null and least(g.expires_at, c.ends_at) > statement_timestamp();
revoke all on federation.grants_in_force from public;
comment on view federation.grants_in_force is
  'Grants that are active at this statement, each with every certificate that is good for it, and until when both are if nobody ends them.';

create or replace view federation.session_grant as
select g.*
from federation.current_session() as s (session)
join federation.federation_grants g on g.id = (s.session ->> 'grant')::uuid
where s.session ->> 'kind' = 'peer'
  and exists (select from federation.grants_in_force a where a.id = g.id and a.serial = s.session ->> 'serial');
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
  if facts is null or (facts ->> 'until')::timestamptz <= statement_timestamp() then
    session := federation.current_session();
    facts := case session ->> 'kind'
      when 'peer' then (
        select jsonb_build_object(
          'subject', a.subject_user_id, 'fingerprint', a.fingerprint, 'scope', a.scope, 'until', a.ends_at
        )
        from federation.grants_in_force a
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
  'Of a local user {"subject"}; of the active grant {"subject", "scope", "fingerprint", "until"}; {} where there is neither. Read once, as long as nothing '
  'is committed and the grant has not come to its end.';

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
