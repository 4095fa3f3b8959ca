-- Guarantees: where a bound table lacks a trigger by which grants end with their subject, that is known, and can be made good with the binding as it is.
-- A binding of an earlier release lacks some, and so does one whose table got a partition since. A name alone is no trigger of ours: what it calls,
-- with which columns, and on what, counts; of the condition of an update, the columns that it looks at.
create or replace function federation.identity_gaps() returns table (table_id regclass, trigger_name text)
language sql
stable
set search_path = ''
as $$
  select t.on_table, t.trigger_name
  from federation.bound_identity() b
  cross join lateral (
    values
      (
        b.users_table, 'users', 'federation.tg_users__revoke_grants'::regproc, array[b.user_column::text],
        array[b.user_column, b.user_deleted_column]
      ),
      (
        b.memberships_table, 'memberships', 'federation.tg_memberships__revoke_grants',
        array[b.member_user_column, b.member_team_column, coalesce(b.member_deleted_column, '')]::text[],
        array[b.member_user_column, b.member_team_column, b.member_deleted_column]
      )
  ) as w (table_id, what, calls, arguments, watched)
  -- A view has none.
  join pg_catalog.pg_class c on c.oid = w.table_id and c.relkind in ('r', 'p')
  cross join lateral federation.identity_triggers(w.table_id, w.what) t
  where not exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = t.on_table and g.tgname = t.trigger_name and g.tgenabled = 'A' and g.tgfoid = w.calls
      -- Each argument ends with a zero byte; after is no bit, row is 1, delete 8, update 16, truncate 32 (PostgreSQL source, pg_trigger.h).
      and g.tgargs = (
        select string_agg(convert_to(a.value, getdatabaseencoding()) || '\x00'::bytea, ''::bytea order by a.n)
        from unnest(w.arguments) with ordinality as a (value, n)
      )
      and g.tgtype = case t.event when 'delete' then 9 when 'update' then 17 else 32 end
      and g.tgattr::text = ''
      and (g.tgqual is null or t.event = 'update')
      -- What a condition looks at, it depends on.
      and (
        t.event <> 'update'
        or array(
          select d.refobjsubid from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_trigger'::regclass and d.objid = g.oid and d.refobjid = t.on_table and d.refobjsubid > 0
          order by 1
        ) = array(
          select a.attnum::integer from pg_catalog.pg_attribute a where a.attrelid = t.on_table and a.attname = any (w.watched) order by 1
        )
      )
  );
$$;
revoke all on function federation.identity_gaps() from public;
grant execute on function federation.identity_gaps() to federation_admin;
comment on function federation.identity_gaps() is 'Triggers that the bound tables should have and lack, have switched off, or have under the name only.';

create or replace function federation.rebind_identity() returns void
language sql
volatile
set search_path = ''
as $$
  select federation.bind_identity(
    b.users_table, b.user_column, b.memberships_table, b.member_user_column, b.member_team_column, b.user_deleted_column, b.member_deleted_column
  )
  from federation.bound_identity() b;
$$;
revoke all on function federation.rebind_identity() from public;
grant execute on function federation.rebind_identity() to federation_admin;
comment on function federation.rebind_identity() is
  'Binds the tables of users and memberships again, as they are bound; with the rights of whoever calls it, as federation.bind_identity.';
