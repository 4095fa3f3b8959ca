-- Guarantees: what another scope, or a grant that is not made yet, would change for a peer is counted under the real policies, as the peer, and nothing is
-- changed by it.
-- Relies on: federation.probe. Of a resource with more than 10 000 rows, the first ones by their keys are compared: both sides up to the same key.
drop function if exists federation.keys_of_scope(uuid, jsonb, text, integer);
create or replace function federation.keys_of_scope(grant_id uuid, scope jsonb, resource text, most integer, subject text) returns text[]
language sql
volatile
set search_path = ''
as $$
  select array(
    select jsonb_array_elements_text(
      federation.answer_of(federation.probe('stand-in', grant_id, scope, 'keys', resource, jsonb_build_object('most', most), subject))
    )
  );
$$;
revoke all on function federation.keys_of_scope(uuid, jsonb, text, integer, text) from public;
comment on function federation.keys_of_scope(uuid, jsonb, text, integer, text) is
  'The keys of the rows that a peer would see under a scope, the first ones in the order of their bytes.';

drop function if exists federation.rows_of_scope(uuid, jsonb, text, text[]);
create or replace function federation.rows_of_scope(grant_id uuid, scope jsonb, resource text, ids text[], subject text) returns jsonb
language sql
volatile
set search_path = ''
as $$
  select case
    when cardinality(ids) = 0 then '[]'
    else federation.answer_of(
      federation.probe(
        'stand-in', grant_id, scope || '{"max_rows_per_query": 10000}', 'list', resource,
        federation.only_keys((select d.key_column from federation.describe_resource(resource) d), ids), subject
      )
    ) -> 'rows'
  end;
$$;
revoke all on function federation.rows_of_scope(uuid, jsonb, text, text[], text) from public;
comment on function federation.rows_of_scope(uuid, jsonb, text, text[], text) is 'Some rows as a peer would be served them under a scope.';

drop function if exists federation.preview_resource(uuid, text, jsonb, jsonb);
create or replace function federation.preview_resource(grant_id uuid, resource text, before jsonb, after jsonb, subject text) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  most constant integer := 10000;
  stage_before constant jsonb := federation.resource_stage(grant_id, resource, before, subject);
  stage_after constant jsonb := federation.resource_stage(grant_id, resource, after, subject);
  admitted_before constant boolean := stage_before ->> 'passes';
  admitted_after constant boolean := stage_after ->> 'passes';
  keys_before text[] := case when admitted_before then federation.keys_of_scope(grant_id, before, resource, most + 1, subject) else '{}' end;
  keys_after text[] := case when admitted_after then federation.keys_of_scope(grant_id, after, resource, most + 1, subject) else '{}' end;
  more constant boolean := greatest(cardinality(keys_before), cardinality(keys_after)) > most;
  last_key text;
  gained text[];
  lost text[];
begin
  if admitted_before is null or admitted_after is null then
    raise exception 'The user whom the grant speaks for is gone.' using errcode = 'MF021', detail = '{"path": "subject_user_id"}';
  end if;
  if more then
    -- Beyond it, a key that one side lacks may only not have been read.
    last_key := least(
      case when cardinality(keys_before) > most then keys_before[most] end collate "C",
      case when cardinality(keys_after) > most then keys_after[most] end collate "C"
    );
    keys_before := array(select k.id from unnest(keys_before) as k (id) where k.id collate "C" <= last_key);
    keys_after := array(select k.id from unnest(keys_after) as k (id) where k.id collate "C" <= last_key);
  end if;
  gained := array(select unnest(keys_after) except select unnest(keys_before) order by 1);
  lost := array(select unnest(keys_before) except select unnest(keys_after) order by 1);
  return jsonb_build_object(
    'resource', resource, 'admittedBefore', admitted_before, 'admittedAfter', admitted_after,
    'unprotected', coalesce(stage_after ->> 'reason' = 'unprotected', false),
    'rowsBefore', cardinality(keys_before), 'rowsAfter', cardinality(keys_after),
    'rowsGained', cardinality(gained), 'rowsLost', cardinality(lost), 'more', more,
    'examplesGained', federation.rows_of_scope(grant_id, after, resource, gained[:3], subject),
    'examplesLost', federation.rows_of_scope(grant_id, before, resource, lost[:3], subject)
  );
end;
$$;
revoke all on function federation.preview_resource(uuid, text, jsonb, jsonb, text) from public;
comment on function federation.preview_resource(uuid, text, jsonb, jsonb, text) is 'What a peer would gain and lose of one resource by another scope.';

drop function if exists federation.preview_changes(uuid, jsonb, jsonb);
drop function if exists federation.previewed(uuid, jsonb, jsonb, jsonb, jsonb);
create or replace function federation.preview(grant_id uuid, subject text, before jsonb, after jsonb) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  changes constant jsonb := (
    select coalesce(jsonb_agg(federation.preview_resource(preview.grant_id, r.name, before, after, preview.subject) order by r.name), '[]')
    from federation.federation_resources r
  );
begin
  perform federation.audit_look(
    'grant.previewed', grant_id, null,
    (
      select sum(jsonb_array_length(c.item -> 'examplesGained') + jsonb_array_length(c.item -> 'examplesLost'))
      from jsonb_array_elements(changes) as c (item)
    )::integer,
    jsonb_build_object(
      'scope', after,
      'resources', (
        select coalesce(jsonb_agg(c.item -> 'resource'), '[]')
        from jsonb_array_elements(changes) as c (item)
        where c.item -> 'admittedBefore' = 'true' or c.item -> 'admittedAfter' = 'true'
      )
    ),
    subject
  );
  return jsonb_build_object(
    'widens', cardinality(federation.scope_widenings(before, after)) > 0, 'widenedBy', to_jsonb(federation.scope_widenings(before, after)),
    'resources', changes
  );
end;
$$;
revoke all on function federation.preview(uuid, text, jsonb, jsonb) from public;
comment on function federation.preview(uuid, text, jsonb, jsonb) is
  'What a peer would gain and lose by another scope of its grant, or by a grant of this subject (without an id), resource by resource, and whether it lets out more; '
  'that it was looked at is audited.';

create or replace function federation.preview_scope(grant_id uuid, scope jsonb) returns jsonb
language plpgsql
volatile
security definer -- administrators have a right on neither grants nor rows; what they ask is asked as the peer
set search_path = ''
as $$
declare
  before jsonb;
begin
  select g.scope into before from federation.federation_grants g where g.id = preview_scope.grant_id;
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  perform federation.check_scope(preview_scope.scope);
  return federation.preview(grant_id, null, before, scope);
end;
$$;
revoke all on function federation.preview_scope(uuid, jsonb) from public;
grant execute on function federation.preview_scope(uuid, jsonb) to federation_admin;
comment on function federation.preview_scope(uuid, jsonb) is
  'What a grant''s peer would gain and lose by another scope: for each resource how many rows, and up to three of each. Is audited, with the scope. '
  'Raises MF011, MF013, MF020, MF021.';

create or replace function federation.preview_grant(subject_user_id text, scope jsonb) returns jsonb
language plpgsql
volatile
security definer -- administrators have a right on neither grants nor rows; what they ask is asked as the peer
set search_path = ''
as $$
declare
  subject constant text := federation.subject_of_grant(preview_grant.subject_user_id);
begin
  perform federation.check_scope(preview_grant.scope);
  return federation.preview(null, subject, '{"resources": []}', scope);
end;
$$;
revoke all on function federation.preview_grant(text, jsonb) from public;
grant execute on function federation.preview_grant(text, jsonb) to federation_admin;
comment on function federation.preview_grant(text, jsonb) is
  'What a peer would see by a grant that is not made yet, as federation.preview_scope has it. Is audited, with subject and scope. Raises MF013, MF020, MF021, MF023.';
