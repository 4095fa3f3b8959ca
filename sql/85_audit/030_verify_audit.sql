-- Guarantees: a row that somebody changed, removed, inserted or reordered, whatever their rights, is found, the first of each chain.
create or replace function federation.verify_chain(chain text)
returns table (entries bigint, fault text, fault_position bigint, fault_id bigint, fault_at timestamptz)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
declare
  entry federation.federation_audit_log;
  head federation.federation_audit_chains;
  holds boolean;
  last_hash bytea := '\x';
  last_position bigint := 0;
  last_id bigint := 0;
begin
  entries := 0;
  for entry in
    select u.* from (
      select l.* from federation.federation_audit_log l where l.chain = verify_chain.chain
      union all
      select a.* from federation.federation_audit_archive a where a.chain = verify_chain.chain
    ) u
    order by u.position, u.id
  loop
    holds := coalesce(entry.hash = federation.audit_hash(entry.previous_hash, entry), false);
    fault := case
      when entry.position = last_position then 'inserted'
      when entry.position > last_position + 1 then 'removed'
      -- Numbers are drawn in the order of the chain; the hash does not cover them.
      when entry.previous_hash = last_hash and holds and entry.id <= last_id then 'reordered'
      when entry.previous_hash = last_hash and holds then null
      when entry.previous_hash = last_hash then 'changed'
      -- The row that it was written after stands elsewhere.
      when federation.audit_hash_exists(verify_chain.chain, entry.previous_hash) then 'reordered'
      -- The row before it was written again, with a hash to match: what followed it still says what it was.
      when holds then 'changed'
      else 'removed'
    end;
    if fault is not null then
      fault_position := case
        when fault = 'removed' or (fault = 'changed' and entry.previous_hash is distinct from last_hash) then
          last_position + case fault when 'removed' then 1 else 0 end
        else entry.position
      end;
      fault_id := entry.id;
      fault_at := entry.at;
      return next;
      return;
    end if;
    entries := entries + 1;
    last_hash := entry.hash;
    last_position := entry.position;
    last_id := entry.id;
  end loop;
  select c.* into head from federation.federation_audit_chains c where c.chain = verify_chain.chain;
  if (head.position, head.hash) is distinct from (last_position, last_hash) then
    fault := 'removed';
    fault_position := last_position + 1;
  end if;
  return next;
end;
$$;
revoke all on function federation.verify_chain(text) from public;
comment on function federation.verify_chain(text) is
  'Walks one chain, log and archive, to its first fault or to its head: changed, removed, inserted or reordered.';

create or replace function federation.audit_hash_exists(chain text, hash bytea) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
      select from federation.federation_audit_log l where l.chain = audit_hash_exists.chain and l.hash = audit_hash_exists.hash
    )
    or exists (
      select from federation.federation_audit_archive a where a.chain = audit_hash_exists.chain and a.hash = audit_hash_exists.hash
    );
$$;
revoke all on function federation.audit_hash_exists(text, bytea) from public;
comment on function federation.audit_hash_exists(text, bytea) is 'Whether a row of the chain has this hash.';

create or replace function federation.audit_unchained() returns table (entries bigint, digest text)
language sql
stable
set search_path = ''
as $$
  select count(*), coalesce(encode(sha256(string_agg(u.hash, '' order by u.id)), 'hex'), '')
  from (
    select l.id, federation.audit_hash('\x', l) as hash from federation.federation_audit_log l where l.chain is null
    union all
    select a.id, federation.audit_hash('\x', row(a.*)::federation.federation_audit_log) from federation.federation_audit_archive a where a.chain is null
  ) u;
$$;
revoke all on function federation.audit_unchained() from public;
comment on function federation.audit_unchained() is 'How many rows stand in no chain, and a digest of them: none may be added.';

create or replace function federation.audit_known_unchained() returns table (entries bigint, digest text)
language sql
stable
set search_path = ''
as $$
  select split_part(s.value, ' ', 1)::bigint, split_part(s.value, ' ', 2)
  from federation.federation_settings s
  where s.name = 'audit_unchained';
$$;
revoke all on function federation.audit_known_unchained() from public;
comment on function federation.audit_known_unchained() is 'How many rows stood in no chain when chains began, and their digest.';

create or replace function federation.verify_audit()
returns table (chain text, entries bigint, fault text, fault_position bigint, fault_id bigint, fault_at timestamptz)
language sql
stable
security definer -- administrators read the log through functions only
set search_path = ''
as $$
  with chains as (
    select c.chain from federation.federation_audit_chains c
    union
    select l.chain from federation.federation_audit_log l where l.chain is not null
    union
    select a.chain from federation.federation_audit_archive a where a.chain is not null
  )
  select c.chain, v.*
  from chains c
  cross join lateral federation.verify_chain(c.chain) v
  union all
  -- Rows from before there were chains: as many as there were then, and the same.
  select
    '(none)', u.entries,
    case
      when u.entries > coalesce(k.entries, 0) then 'inserted'
      when u.entries < k.entries then 'removed'
      when u.digest is distinct from k.digest then 'changed'
    end,
    null, null, null
  from federation.audit_unchained() u
  left join federation.audit_known_unchained() k on true
  where u.entries > 0 or k.entries > 0
  union all
  -- And they come before all others, whatever anybody wrote down of how many there were.
  (
    select '(none)', 0, 'inserted', null, u.id, u.at
    from (
      select l.id, l.at, l.chain from federation.federation_audit_log l
      union all
      select a.id, a.at, a.chain from federation.federation_audit_archive a
    ) u
    where u.chain is null
      and u.id > (
        select least(
          (select min(l.id) from federation.federation_audit_log l where l.chain is not null),
          (select min(a.id) from federation.federation_audit_archive a where a.chain is not null)
        )
      )
    order by u.id
    limit 1
  )
  union all
  (
    select '(none)', 0, 'inserted', null, d.id, null
    from (
      select l.id from federation.federation_audit_log l
      union all
      select a.id from federation.federation_audit_archive a
    ) d
    group by d.id
    having count(*) > 1
    order by d.id
    limit 1
  )
  order by 1, 3 nulls last;
$$;
revoke all on function federation.verify_audit() from public;
grant execute on function federation.verify_audit() to federation_admin;
comment on function federation.verify_audit() is
  'Walks every chain of the audit log; of each, how many rows hold and the first that does not: changed, removed, inserted or reordered.';

create or replace function federation.check_audit_head(chain text, "position" bigint, hash text) returns boolean
language sql
stable
security definer -- administrators read the log through functions only
set search_path = ''
as $$
  select case
    when chain = '(none)' then
      exists (select from federation.audit_unchained() u where (u.entries, u.digest) = (check_audit_head.position, check_audit_head.hash))
    when "position" = 0 then true
    else exists (
      select from federation.federation_audit_log l
      where l.chain = check_audit_head.chain and l.position = check_audit_head.position and encode(l.hash, 'hex') = check_audit_head.hash
    )
    or exists (
      select from federation.federation_audit_archive a
      where a.chain = check_audit_head.chain and a.position = check_audit_head.position and encode(a.hash, 'hex') = check_audit_head.hash
    )
  end;
$$;
revoke all on function federation.check_audit_head(text, bigint, text) from public;
grant execute on function federation.check_audit_head(text, bigint, text) to federation_admin;
comment on function federation.check_audit_head(text, bigint, text) is
  'Whether a chain still holds the row that was its head once; false where its tail was cut off or written anew.';

create or replace function federation.audit_heads() returns table (chain text, "position" bigint, hash text, updated_at timestamptz)
language sql
stable
security definer -- administrators read the heads through this function only
set search_path = ''
as $$
  select c.chain, c.position, encode(c.hash, 'hex'), c.updated_at from federation.federation_audit_chains c
  union all
  select '(none)', u.entries, u.digest, now() from federation.audit_unchained() u
  order by 1;
$$;
revoke all on function federation.audit_heads() from public;
grant execute on function federation.audit_heads() to federation_admin;
comment on function federation.audit_heads() is
  'The head of each chain, and a digest of the rows that stand in none: kept elsewhere, it shows a tail that was cut off together with its head.';
