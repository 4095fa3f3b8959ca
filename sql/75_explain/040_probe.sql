-- Guarantees: what a question leaves behind (session, settings, stand-in, whatever code of an application wrote) is rolled back before its answer
-- is used, and nothing can be written while it is answered.
-- Relies on: a subtransaction, with which settings and rows end; it is read-only once the session is open, and cannot be made writable again.
drop function if exists federation.probe(text, uuid, jsonb, text, text, jsonb);
create or replace function federation.probe(
  who text, grant_id uuid, scope jsonb, question text, resource text, arguments jsonb default '{}', subject text default null
) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  the_grant federation.federation_grants;
  newest federation.federation_certificates;
  answer jsonb;
  refused text;
begin
  if grant_id is null then
    the_grant.subject_user_id := subject;
    -- A host that is nobody's: the name is reserved (RFC 2606, section 2).
    the_grant.peer_host := 'preview.invalid';
  else
    select g.* into strict the_grant from federation.federation_grants g where g.id = probe.grant_id;
  end if;
  begin
    case who
      when 'peer' then
        select c.* into newest from federation.federation_certificates c
        where c.grant_id = the_grant.id
        order by not exists (select from federation.good_certificates n where n.serial = c.serial), c.not_after desc
        limit 1;
        perform federation.enter_as_peer(the_grant.id, the_grant.subject_user_id, newest.serial, newest.fingerprint);
      when 'stand-in' then
        perform federation.enter_stand_in(the_grant.subject_user_id, the_grant.peer_host, probe.scope);
      when 'user' then
        perform federation.enter_as_user(the_grant.subject_user_id);
    end case;
    perform set_config('transaction_read_only', 'on', true);
    case question
      when 'enter' then
        answer := 'true';
      when 'admits' then
        answer := to_jsonb(federation.scope_admits(resource));
      when 'cap' then
        answer := to_jsonb(federation.scope_cap());
      when 'teams' then
        answer := jsonb_build_object('teams', federation.scope_teams(), 'personal', federation.scope_personal());
      when 'get' then
        answer := federation.get_as_peer(resource, arguments ->> 'id');
      when 'list' then
        answer := federation.list_as_peer(resource, arguments -> 'filter', (arguments ->> 'first')::integer);
      when 'count' then
        answer := to_jsonb(federation.count_as_peer(resource, (arguments ->> 'most')::integer));
      when 'keys' then
        answer := federation.keys_as_peer(resource, (arguments ->> 'most')::integer);
      when 'policies' then
        answer := federation.policies_as_peer(
          resource, array(select jsonb_array_elements_text(arguments -> 'images')),
          case when jsonb_typeof(arguments -> 'known') = 'array' then array(select jsonb_array_elements_text(arguments -> 'known'))::name[] end
        );
      when 'user list' then
        answer := federation.list_as_user(resource, arguments -> 'filter', (arguments ->> 'first')::integer);
      when 'user count' then
        answer := to_jsonb(federation.count_as_user(resource, (arguments ->> 'most')::integer));
      when 'user read' then
        answer := federation.read_as_user(resource, array(select jsonb_array_elements_text(arguments -> 'ids')));
    end case;
    -- Not an error, but how a subtransaction is rolled back: it never leaves this function, and so is in no table of errors.
    raise exception 'The answer is there.' using errcode = 'MX001';
  exception
    when sqlstate 'MX001' then
      null;
    when others then
      if sqlstate !~ '^MF0(0[1-7]|1[013]|21)$' and sqlstate <> 'MF401' then
        raise;
      end if;
      refused := sqlstate;
  end;
  if refused is null and answer is null then
    raise exception 'A question about a grant was left without an answer.' using errcode = 'internal_error';
  end if;
  return jsonb_build_object('refused', refused, 'answer', answer);
end;
$$;
revoke all on function federation.probe(text, uuid, jsonb, text, text, jsonb, text) from public;
comment on function federation.probe(text, uuid, jsonb, text, text, jsonb, text) is
  'Asks one question in the session of a grant''s peer, of a stand-in for it with another scope (or for one of this subject that is not made yet: no id), or of its '
  'subject: {"answer"}, or {"refused"} with the SQLSTATE that a peer would have met. Raises MF012 and what a policy raises.';

create or replace function federation.answer_of(asked jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  if asked ->> 'refused' is not null then
    raise exception 'What a peer would see could not be counted just now.' using errcode = asked ->> 'refused';
  end if;
  return asked -> 'answer';
end;
$$;
revoke all on function federation.answer_of(jsonb) from public;
comment on function federation.answer_of(jsonb) is 'What federation.probe was answered, where nothing may count as no rows that was refused. Raises what it was refused with.';
