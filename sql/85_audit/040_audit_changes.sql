-- Guarantees: what administrators change is in the audit log in the same transaction, with who did it, what was there before and after,
-- and no secret.
create or replace function federation.tg_audit_changes() returns trigger
language plpgsql
volatile
security definer -- who changes something has no right on the log
set search_path = ''
as $$
declare
  secrets constant text[] := tg_argv[1]::text[];
  before constant jsonb := case when tg_op = 'INSERT' then null else to_jsonb(old) end;
  after constant jsonb := case when tg_op = 'DELETE' then null else to_jsonb(new) end;
  changed constant text[] := array(
    select k.key from jsonb_object_keys(coalesce(after, before)) as k (key)
    where tg_op <> 'UPDATE' or before -> k.key is distinct from after -> k.key
  );
  shown constant text[] := array(select c.key from unnest(changed) as c (key) where c.key <> all (secrets) and c.key <> 'updated_at');
  entry federation.federation_audit_log;
begin
  if tg_op = 'UPDATE' and cardinality(changed) = 0 then
    return null;
  end if;
  entry.at := clock_timestamp();
  entry.verb := tg_argv[0] || case
    when tg_op = 'INSERT' then '.created'
    when tg_op = 'DELETE' then '.removed'
    when cardinality(shown) = 0 then '.sealed'
    else '.changed'
  end;
  entry.outcome := 'served';
  entry.code := 'OK';
  entry.row_count := 1;
  entry.bytes_out := 0;
  entry.latency_ms := 0;
  entry.grant_id := case tg_argv[0] when 'grant' then coalesce(after, before) ->> 'id' else coalesce(after, before) ->> 'grant_id' end;
  entry.subject_user_id := coalesce(after, before) ->> 'subject_user_id';
  entry.peer_host := coalesce(after, before) ->> 'peer_host';
  entry.actor := federation.current_actor();
  entry.details := coalesce(federation.actor_details(), '{}') || jsonb_strip_nulls(jsonb_build_object(
    'before', (select jsonb_object_agg(s.key, before -> s.key) from unnest(shown) as s (key) where before is not null),
    'after', (select jsonb_object_agg(s.key, after -> s.key) from unnest(shown) as s (key) where after is not null)
  ));
  perform federation.append_to_chain('admin', array[entry]);
  return null;
end;
$$;
revoke all on function federation.tg_audit_changes() from public;
comment on function federation.tg_audit_changes() is
  'Writes a change to the audit log. Arguments: what is changed, and the columns that are secret or long, as an array.';

-- Deferred: the head of the chain is locked at the end of a transaction and not while it waits for something, a certificate server for example,
-- so that nobody who makes a change, a revocation above all, waits for another who does.
do $$
declare
  audited record;
begin
  for audited in
    select *
    from (values
      ('federation_grants', 'grant', '{}'),
      ('federation_certificates', 'certificate', '{}'),
      ('federation_resources', 'resource', '{}'),
      ('federation_identity', 'identity', '{}'),
      ('federation_peers', 'peer', '{sealed_key,root_certificate_der,certificate_chain_der,trusted_roots_der}'),
      ('federation_authorities', 'authority', '{sealed_key,certificate_der,cross_certificate_der}'),
      ('federation_user_tokens', 'token', '{token_hash}'),
      ('federation_administrators', 'administrator', '{token_hash}')
    ) as v (table_name, what, left_out)
  loop
    execute format('drop trigger if exists _900_audit on federation.%I', audited.table_name);
    execute format(
      'create constraint trigger _900_audit after insert or update or delete on federation.%I deferrable initially deferred
        for each row execute function federation.tg_audit_changes(%L, %L)',
      audited.table_name, audited.what, audited.left_out
    );
  end loop;
end;
$$;
