-- Guarantees: the audit log is in partitions of a week; whole ones go to the archive, no row is copied, changed or lost on the way.
-- Relies on: federation_owner, who owns both tables; on alerts for what cannot be done.
create or replace function federation.protect_audit_partition(partition regclass) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  name constant name := (select c.relname from pg_class c where c.oid = partition);
begin
  execute format('alter table %s enable row level security', partition);
  execute format('alter table %s force row level security', partition);
  execute format('create policy %I on %s as permissive for all to federation_owner using (true) with check (true)', name || '_native', partition);
  execute format(
    'comment on policy %I on %s is %L', name || '_native', partition,
    'The functions of federation_owner are the only way in; no other role has a policy or a privilege.'
  );
  execute format('revoke all on %s from public', partition);
  execute format(
    'create trigger _110_append_only_truncate before truncate on %s
      for each statement execute function federation.tg_federation_audit_log__append_only()',
    partition
  );
  execute format('comment on table %s is %L', partition, 'A part of the audit log. Made by federation.roll_audit.');
end;
$$;
revoke all on function federation.protect_audit_partition(regclass) from public;
comment on function federation.protect_audit_partition(regclass) is 'Closes a new partition like every other table of the federation.';

create or replace function federation.audit_partitions()
returns table (tier text, partition regclass, starts_at timestamptz, ends_at timestamptz)
language sql
stable
security definer -- administrators have no right on the tables
set search_path = ''
as $$
  select
    case i.inhparent when 'federation.federation_audit_log'::regclass then 'hot' else 'archive' end,
    i.inhrelid::regclass,
    (regexp_match(b.bound, $r$(?i)from \('([^']*)'\)$r$))[1]::timestamptz,
    (regexp_match(b.bound, $r$(?i) to \('([^']*)'\)$r$))[1]::timestamptz
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral (select pg_get_expr(c.relpartbound, c.oid)) as b (bound)
  where i.inhparent in ('federation.federation_audit_log'::regclass, 'federation.federation_audit_archive'::regclass)
  order by 1 desc, 3 nulls first;
$$;
revoke all on function federation.audit_partitions() from public;
grant execute on function federation.audit_partitions() to federation_admin;
comment on function federation.audit_partitions() is 'The parts of the audit log and of its archive, with their bounds; the default partition has none.';

create or replace function federation.partition_of_default(starts_at timestamptz, ends_at timestamptz, name text) returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  alter table federation.federation_audit_log detach partition federation.federation_audit_log_default;
  execute format('alter table federation.federation_audit_log_default rename to %I', name);
  execute format('alter policy federation_audit_log_default_native on federation.%I rename to %I', name, name || '_native');
  execute format('alter table federation.federation_audit_log attach partition federation.%I for values from (%L) to (%L)', name, starts_at, ends_at);
  create table federation.federation_audit_log_default partition of federation.federation_audit_log default;
  perform federation.protect_audit_partition('federation.federation_audit_log_default');
end;
$$;
revoke all on function federation.partition_of_default(timestamptz, timestamptz, text) from public;
comment on function federation.partition_of_default(timestamptz, timestamptz, text) is
  'Makes the default partition with its rows one of a time, as it is, and an empty default partition in its place.';

create or replace function federation.roll_audit(hot interval default '90 days') returns table (action text, partition text)
language plpgsql
volatile
security definer -- federation_owner alone can take the tables apart
set search_path = ''
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
#variable_conflict use_column
declare
  week constant interval := '7 days';
  first_row timestamptz;
  last_row timestamptz;
  week_start timestamptz;
  part record;
  archived text[] := '{}';
  entry federation.federation_audit_log;
begin
  -- What is archived is out of sight of whoever looks at the newest rows.
  if (hot is null or hot < interval '90 days') and not (select r.rolsuper from pg_roles r where r.rolname = session_user) then
    raise exception 'The audit log stays at hand for 90 days at least.' using errcode = 'MF012', detail = '{"path": "hot"}';
  end if;
  perform pg_advisory_xact_lock(hashtext('federation_audit_log'));
  select date_trunc('week', min(d.at)), date_trunc('week', max(d.at)) + week into first_row, last_row
  from federation.federation_audit_log_default d;
  if first_row is not null then
    partition := 'federation_audit_log_' || to_char(first_row, 'YYYYMMDD');
    if exists (select from federation.audit_partitions() p where p.starts_at < last_row and p.ends_at > first_row) then
      -- Rows of a week that has a partition go there; these came before it was made, or by a clock that was wrong.
      action := 'left';
      partition := 'federation_audit_log_default';
      perform federation.raise_alert(
        'warning', 'AUDIT_ROLLOVER', 'federation_audit_log_default', 'Rows of the audit log are of times that partitions around them leave out.'
      );
    else
      action := 'attached';
      perform federation.partition_of_default(first_row, last_row, partition);
      perform federation.resolve_alert('AUDIT_ROLLOVER', 'federation_audit_log_default');
    end if;
    return next;
  end if;

  for n in 0..4 loop
    week_start := date_trunc('week', now()) + n * week;
    continue when exists (
      select from federation.audit_partitions() p where p.starts_at < week_start + week and p.ends_at > week_start
    ) or exists (
      select from federation.federation_audit_log_default d where d.at >= week_start and d.at < week_start + week
    );
    action := 'made';
    partition := 'federation_audit_log_' || to_char(week_start, 'YYYYMMDD');
    execute format(
      'create table federation.%I partition of federation.federation_audit_log for values from (%L) to (%L)', partition, week_start, week_start + week
    );
    perform federation.protect_audit_partition(format('federation.%I', partition)::regclass);
    return next;
  end loop;

  -- First what takes long: with its bounds as a constraint, a partition changes tables without being read under the lock of the log.
  for part in select p.* from federation.audit_partitions() p where p.tier = 'hot' and p.ends_at <= now() - hot loop
    execute format('alter table %s add constraint bounds check (at >= %L and at < %L)', part.partition, part.starts_at, part.ends_at);
  end loop;
  for part in select p.* from federation.audit_partitions() p where p.tier = 'hot' and p.ends_at <= now() - hot loop
    execute format('alter table federation.federation_audit_log detach partition %s', part.partition);
    execute format(
      'alter table federation.federation_audit_archive attach partition %s for values from (%L) to (%L)',
      part.partition, part.starts_at, part.ends_at
    );
    execute format('alter table %s drop constraint bounds', part.partition);
    action := 'archived';
    partition := (select c.relname from pg_class c where c.oid = part.partition);
    archived := archived || partition;
    return next;
  end loop;
  if cardinality(archived) > 0 then
    entry.at := clock_timestamp();
    entry.verb := 'audit.archived';
    entry.outcome := 'served';
    entry.code := 'OK';
    entry.row_count := cardinality(archived);
    entry.bytes_out := 0;
    entry.latency_ms := 0;
    entry.actor := session_user;
    entry.details := jsonb_build_object('partitions', archived);
    perform federation.append_to_chain('admin', array[entry]);
  end if;
end;
$$;
revoke all on function federation.roll_audit(interval) from public;
grant execute on function federation.roll_audit(interval) to federation_worker, federation_admin;
comment on function federation.roll_audit(interval) is
  'Makes partitions for the coming weeks and moves those to the archive that ended so long ago; says what it did. Raises MF012 for less than 90 days, but for a superuser.';
