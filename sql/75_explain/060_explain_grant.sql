-- Guarantees: stage by stage why a peer is served a resource or a row, or is not. The last word has the very request that the peer would make.
-- Relies on: federation.probe; whoever calls has shown that the grant is theirs to know of.
create or replace function federation.explain_columns(resource text, only_leaving boolean) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(
    jsonb_build_object(
      'name', a.attname,
      'leaves', c.name is not null,
      'decidedBy', case
        when c.name is not null then null
        when a.attname = r.embedding_column then 'embedding'
        when a.attname = any (r.hidden_columns) then 'hidden column'
        else 'not registered'
      end
    )
    order by a.attnum
  )
  from federation.federation_resources r
  join pg_attribute a on a.attrelid = r.table_id and a.attnum > 0 and not a.attisdropped
  left join federation.resource_columns(r.name) c on c.name = a.attname
  where r.name = explain_columns.resource and (c.name is not null or not only_leaving);
$$;
revoke all on function federation.explain_columns(text, boolean) from public;
comment on function federation.explain_columns(text, boolean) is
  'The columns of a resource''s table, whether each leaves, and why not: hidden at registration, an embedding, or not there when it was registered.';

drop function if exists federation.resource_stage(uuid, text, jsonb);
create or replace function federation.resource_stage(grant_id uuid, resource text, scope jsonb, subject text default null) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  described record;
  admits jsonb;
begin
  select d.is_protected into described from federation.describe_resource(resource) d;
  if not found then
    return '{"stage": "resource", "passes": false, "reason": "not registered"}';
  elsif not described.is_protected then
    return '{"stage": "resource", "passes": false, "reason": "unprotected"}';
  end if;
  admits := federation.probe('stand-in', grant_id, scope, 'admits', resource, subject => subject);
  if admits ->> 'refused' = 'MF021' then
    return '{"stage": "resource", "passes": null, "reason": null}';
  elsif federation.answer_of(admits) = 'true' then
    return '{"stage": "resource", "passes": true, "reason": null}';
  end if;
  return jsonb_build_object('stage', 'resource', 'passes', false, 'reason', case
    when federation.answer_of(
      federation.probe('stand-in', grant_id, scope - 'excluded_resources', 'admits', resource, subject => subject)
    ) = 'true' then 'excluded'
    else 'not in scope'
  end);
end;
$$;
revoke all on function federation.resource_stage(uuid, text, jsonb, text) from public;
comment on function federation.resource_stage(uuid, text, jsonb, text) is
  'Whether a scope of a grant (or of one of this subject that is not made yet) admits a resource, and if not, why; null where the subject is gone, for whom no '
  'session opens.';

create or replace function federation.entry_stages(grant_id uuid) returns jsonb
language sql
volatile
set search_path = ''
as $$
  select jsonb_build_array(
    jsonb_build_object('stage', 'grant', 'passes', e.refused is null or e.refused !~ '^MF00[1-6]$', 'reason', g.status, 'expiresAt', g.expires_at),
    jsonb_build_object(
      'stage', 'subject', 'passes', coalesce(federation.subject_exists(g.subject_user_id), false), 'reason', g.subject_user_id,
      'teams', federation.subject_teams(g.subject_user_id)
    ),
    jsonb_build_object(
      'stage', 'certificate', 'passes', case when e.refused is null then true when e.refused !~ '^MF(00[1-6]|021)$' then false end, 'reason', e.refused
    )
  )
  from federation.federation_grants g
  cross join lateral (select federation.probe('peer', g.id, null, 'enter', null) ->> 'refused' as refused) e
  where g.id = entry_stages.grant_id;
$$;
revoke all on function federation.entry_stages(uuid) from public;
comment on function federation.entry_stages(uuid) is
  'Whether a session of the grant opens: its state, whether its subject is there, with the teams that it is in, and the newest of its certificates (null: not asked).';

create or replace function federation.canonical_ids(grant_id uuid, resource text, id text) returns text[]
language plpgsql
volatile
set search_path = ''
as $$
declare
  key_column name;
  canonical text[];
begin
  select d.key_column into strict key_column from federation.describe_resource(resource) d;
  -- As an answer has it, and not by a cast here: a type may check its values by code of whoever made it.
  canonical := federation.page_keys(
    federation.probe('user', grant_id, null, 'user list', resource, federation.only_keys(key_column, array[id])), key_column
  );
  if canonical = '{}' then
    canonical := federation.keys_in_scope(
      grant_id, jsonb_build_object('resources', array[resource], 'include_personal', true, 'include_teams', '*'), resource, key_column, array[id]
    );
  end if;
  return case when canonical = '{}' then array[id] else canonical end;
end;
$$;
revoke all on function federation.canonical_ids(uuid, text, text) from public;
comment on function federation.canonical_ids(uuid, text, text) is
  'The key of a row as rows have it: 5 for "05" where keys are numbers; as it was given where the row is nobody''s. Raises MF012.';

create or replace function federation.explain_grant(
  grant_id uuid, resource text, id text, filter jsonb, most integer, held jsonb, only_leaving boolean
) returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  the_grant federation.federation_grants;
  stages jsonb;
  answer jsonb;
  ids text[] := '{}';
  rows jsonb := '[]';
  blocking text;
begin
  if id is not null and filter is not null then
    raise exception 'One row by its id, or rows by a filter.' using errcode = 'MF012', detail = '{"path": "filter"}';
  end if;
  if most not between 1 and 100 then
    raise exception 'From 1 to 100 rows are explained at a time.' using errcode = 'MF012', detail = '{"path": "most"}';
  end if;
  select g.* into strict the_grant from federation.federation_grants g where g.id = explain_grant.grant_id;
  stages := federation.entry_stages(grant_id) || jsonb_build_array(federation.resource_stage(grant_id, resource, the_grant.scope));
  select s.item ->> 'stage' into blocking
  from jsonb_array_elements(stages) with ordinality as s (item, n)
  where s.item -> 'passes' = 'false'
  order by s.n
  limit 1;

  if coalesce(stages -> -1 ->> 'reason', '') not in ('not registered', 'unprotected') then
    if id is not null then
      ids := federation.canonical_ids(grant_id, resource, id);
    elsif filter is not null then
      ids := federation.page_keys(
        federation.probe('user', grant_id, null, 'user list', resource, jsonb_build_object('filter', filter, 'first', most)),
        (select d.key_column from federation.describe_resource(resource) d)
      );
    end if;
    if cardinality(ids) > 0 then
      rows := federation.explain_rows(grant_id, resource, ids, filter, held);
    end if;
  end if;
  -- The peer's own request: what it says is what counts.
  answer := case
    when id is not null then federation.probe('peer', grant_id, null, 'get', resource, jsonb_build_object('id', id))
    else federation.probe('peer', grant_id, null, 'list', resource, jsonb_build_object('filter', filter, 'first', 1))
  end;
  return jsonb_build_object(
    'grant', jsonb_build_object('id', the_grant.id, 'subject', the_grant.subject_user_id, 'peer', the_grant.peer_host),
    'resource', resource,
    'refused', answer -> 'refused',
    'decidedBy', coalesce(
      blocking,
      case when id is not null then rows -> 0 ->> 'decidedBy' end
    ),
    'stages', stages,
    'maxRowsPerQuery', federation.probe('stand-in', grant_id, the_grant.scope, 'cap', resource) -> 'answer',
    'columns', coalesce(federation.explain_columns(resource, only_leaving), '[]'),
    'rows', rows
  );
end;
$$;
revoke all on function federation.explain_grant(uuid, text, text, jsonb, integer, jsonb, boolean) from public;
comment on function federation.explain_grant(uuid, text, text, jsonb, integer, jsonb, boolean) is
  'What federation.explain and federation.explain_for_user say. Raises MF012.';
