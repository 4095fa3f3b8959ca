-- Guarantees: each audit row carries a hash over its content and over the hash before it; rows of one chain are written one after the other.
-- Relies on: the head of the chain, locked until its transaction ends.
create or replace function federation.audit_hash(previous_hash bytea, entry federation.federation_audit_log) returns bytea
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
stable
-- Whole numbers for times: the text of a time and of a float changes with settings of the session.
return sha256(previous_hash || convert_to(
  jsonb_build_array(
    (entry).chain, (entry).position, (extract(epoch from (entry).at) * 1000000)::bigint, (entry).grant_id, (entry).peer_host, (entry).subject_user_id,
    (entry).certificate_serial, (entry).verb, (entry).resource, encode((entry).query_hash, 'hex'), (entry).outcome, (entry).code, (entry).row_count,
    (entry).bytes_out, ((entry).latency_ms::float8 * 1000)::bigint, (entry).request_id, (entry).trace_id, (entry).actor, (entry).details
  )::text,
  'UTF8'
));
revoke all on function federation.audit_hash(bytea, federation.federation_audit_log) from public;
comment on function federation.audit_hash(bytea, federation.federation_audit_log) is 'SHA-256 over the hash before a row and everything that the row says.';

create or replace function federation.append_to_chain(chain text, entries federation.federation_audit_log[]) returns integer
language plpgsql
volatile
set search_path = ''
set enable_seqscan = off -- the table of heads is so small that the planner would read it whole, old versions and all
as $$
declare
  head federation.federation_audit_chains;
  entry federation.federation_audit_log;
  place tid := nullif(current_setting('federation.audit_head', true), '');
begin
  -- A transaction that appends often finds its own last version of the head by its place: by the key it would pass every version before, and
  -- 100 000 grants that end at once would take the square of that. A place that is not the head's finds nothing, so nobody gains by setting it.
  select c.* into head from federation.federation_audit_chains c where c.ctid = place and c.chain = append_to_chain.chain for update;
  if not found then
    insert into federation.federation_audit_chains (chain) values (append_to_chain.chain) on conflict do nothing;
    select c.* into strict head from federation.federation_audit_chains c where c.chain = append_to_chain.chain for update;
    select c.ctid into strict place from federation.federation_audit_chains c where c.chain = append_to_chain.chain;
  end if;
  for n in 1..coalesce(cardinality(entries), 0) loop
    entry := entries[n];
    entry.chain := head.chain;
    entry.position := head.position + 1;
    entry.previous_hash := head.hash;
    entry.hash := federation.audit_hash(head.hash, entry);
    entries[n] := entry;
    head.position := entry.position;
    head.hash := entry.hash;
  end loop;
  -- What the table keeps is what was hashed: microseconds.
  insert into federation.federation_audit_log (
    at, grant_id, peer_host, subject_user_id, certificate_serial, verb, resource, query_hash, outcome, code, row_count, bytes_out,
    latency_ms, request_id, trace_id, actor, details, chain, position, previous_hash, hash
  )
  select
    e.at, e.grant_id, e.peer_host, e.subject_user_id, e.certificate_serial, e.verb, e.resource, e.query_hash, e.outcome, e.code, e.row_count,
    e.bytes_out, e.latency_ms, e.request_id, e.trace_id, e.actor, e.details, e.chain, e.position, e.previous_hash, e.hash
  from unnest(entries) as e;
  update federation.federation_audit_chains c
  set position = head.position, hash = head.hash, updated_at = now()
  where c.ctid = place and c.chain = head.chain
  returning c.ctid into strict place;
  perform set_config('federation.audit_head', place::text, true);
  return coalesce(cardinality(entries), 0);
end;
$$;
revoke all on function federation.append_to_chain(text, federation.federation_audit_log[]) from public;
comment on function federation.append_to_chain(text, federation.federation_audit_log[]) is
  'Writes rows to the end of a chain, in their order; returns how many. Position and hashes that they bring are replaced.';

create or replace function federation.append_audit(entries jsonb, chain text default 'requests-0') returns integer
language plpgsql
volatile
security definer -- the gateway has no right on the log itself
set search_path = ''
as $$
begin
  -- What administrators change is written by triggers, never by a gateway.
  if append_audit.chain !~ '^requests-([0-9]|1[0-5])$' then
    raise exception 'A gateway writes to the chains requests-0 to requests-15.' using errcode = 'MF012', detail = '{"path": "chain"}';
  end if;
  -- A row that is said to be kept is on disk, whatever the server does by default.
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  return federation.append_to_chain(
    append_audit.chain,
    array(
      select (
        null, t.at, e.grant_id, coalesce(e.peer_host, g.peer_host), e.subject_user_id, e.certificate_serial, e.verb,
        -- A name that is no resource is the caller's text, and the log holds no parameter.
        (select r.name from federation.federation_resources r where r.name = e.resource), decode(e.query_hash, 'hex'), e.outcome, e.code,
        coalesce(e.row_count, 0), coalesce(e.bytes_out, 0), coalesce(e.latency_ms, 0), e.request_id, null, null, null, null, e.trace_id,
        null, case when t.at = e.at or e.at is null then e.details else coalesce(e.details, '{}') || jsonb_build_object('claimedAt', e.at) end
      )::federation.federation_audit_log
      from rows from (
        jsonb_to_recordset(entries) as (
          at timestamptz, grant_id text, peer_host text, subject_user_id text, certificate_serial text, verb text, resource text,
          query_hash text, outcome text, code text, row_count integer, bytes_out bigint, latency_ms real, request_id text, trace_id text,
          details jsonb
        )
      ) with ordinality as e (
        at, grant_id, peer_host, subject_user_id, certificate_serial, verb, resource, query_hash, outcome, code, row_count, bytes_out,
        latency_ms, request_id, trace_id, details, ordinal
      )
      -- A gateway may have been without its database for days; what lies further off is a clock that is wrong, or a lie.
      cross join lateral (
        select case
          when e.at between clock_timestamp() - interval '7 days' and clock_timestamp() + interval '5 minutes' then e.at else clock_timestamp()
        end as at
      ) t
      left join federation.federation_grants g on g.id::text = e.grant_id
      order by e.ordinal
    )
  );
end;
$$;
revoke all on function federation.append_audit(jsonb, text) from public;
grant execute on function federation.append_audit(jsonb, text) to federation_gateway;
comment on function federation.append_audit(jsonb, text) is
  'Writes a batch of audit rows to a chain; returns how many. Gateways that write to different chains do not wait for each other. '
  'A time that cannot be is replaced by the database''s, and kept as claimedAt. Raises MF012.';
