-- Guarantees: what a peer can see now, or could under another scope, counted and read under the real policies as the peer.
-- Relies on: federation.probe; counting stops at 10 000 rows, and samples are few.
create or replace function federation.visible_rows(grant_id uuid, scope jsonb, samples integer) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  most constant integer := 10000;
  the_grant federation.federation_grants;
  refused text;
  who text;
  seen jsonb := '[]';
  name text;
  stage jsonb;
  counted integer;
  -- Null where it could not be counted.
  native integer;
begin
  if samples not between 0 and 20 then
    raise exception 'From 0 to 20 rows of each resource are shown.' using errcode = 'MF012', detail = '{"path": "samples"}';
  end if;
  select g.* into strict the_grant from federation.federation_grants g where g.id = visible_rows.grant_id;
  if scope is not null then
    perform federation.check_scope(scope);
  end if;
  refused := federation.probe('peer', grant_id, null, 'enter', null) ->> 'refused';
  who := case when refused is null and scope is null then 'peer' else 'stand-in' end;
  for name in select r.name from federation.federation_resources r order by r.name loop
    counted := 0;
    stage := federation.resource_stage(grant_id, name, coalesce(scope, the_grant.scope));
    native := (federation.probe('user', grant_id, null, 'user count', name, jsonb_build_object('most', most + 1)) ->> 'answer')::integer;
    if stage -> 'passes' = 'true' then
      counted := federation.answer_of(
        federation.probe(who, grant_id, coalesce(scope, the_grant.scope), 'count', name, jsonb_build_object('most', most + 1))
      )::integer;
    end if;
    seen := seen || jsonb_build_object(
      'resource', name, 'admitted', stage -> 'passes', 'reason', stage -> 'reason',
      'rows', least(counted, most), 'rowsOfSubject', case when native is not null then least(native, most) end, 'more', greatest(counted, native) > most,
      'samples', case
        when counted > 0 and samples > 0 then
          federation.answer_of(
            federation.probe(who, grant_id, coalesce(scope, the_grant.scope), 'list', name, jsonb_build_object('first', samples))
          ) -> 'rows'
        else '[]'
      end
    );
  end loop;
  return jsonb_build_object(
    'grant', jsonb_build_object('id', the_grant.id, 'subject', the_grant.subject_user_id, 'peer', the_grant.peer_host),
    'refused', refused, 'scope', coalesce(scope, the_grant.scope), 'resources', seen
  );
end;
$$;
revoke all on function federation.visible_rows(uuid, jsonb, integer) from public;
comment on function federation.visible_rows(uuid, jsonb, integer) is 'What federation.visible and federation.visible_for_user say. Raises MF012, MF013, MF020.';

create or replace function federation.visible(grant_id uuid, scope jsonb default null, samples integer default 3) returns jsonb
language plpgsql
volatile
security definer -- administrators have a right on neither grants nor rows; what they ask is asked as the peer
set search_path = ''
as $$
declare
  seen jsonb;
begin
  if not exists (select from federation.federation_grants g where g.id = visible.grant_id) then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  seen := federation.visible_rows(grant_id, scope, samples);
  perform federation.audit_look(
    'grant.viewed', grant_id, null, (select sum(jsonb_array_length(r.item -> 'samples')) from jsonb_array_elements(seen -> 'resources') as r (item))::integer
  );
  return seen;
end;
$$;
revoke all on function federation.visible(uuid, jsonb, integer) from public;
grant execute on function federation.visible(uuid, jsonb, integer) to federation_admin;
comment on function federation.visible(uuid, jsonb, integer) is
  'What a grant''s peer can see now, or could under another scope: for each resource how many rows (up to 10 000) and a few of them. Where the grant does not serve, '
  '"refused" says why, and the rest is as if it did. Is audited. Raises MF011, MF012, MF013, MF020.';

create or replace function federation.visible_for_user(user_id text, grant_id uuid, samples integer default 3) returns jsonb
language plpgsql
volatile
security definer -- the gateway has no right on grants
set search_path = ''
as $$
begin
  perform federation.require_subject(user_id, grant_id);
  return federation.visible_rows(grant_id, null, samples);
end;
$$;
revoke all on function federation.visible_for_user(text, uuid, integer) from public;
grant execute on function federation.visible_for_user(text, uuid, integer) to federation_gateway;
comment on function federation.visible_for_user(text, uuid, integer) is
  'As federation.visible, for a local user whom the gateway has authenticated and a grant that speaks for them. Raises MF011, MF012, MF013.';
