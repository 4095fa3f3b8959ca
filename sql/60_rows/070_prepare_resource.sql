-- Guarantees: what is written beforehand is what a request would be answered by otherwise, from the same place; it belongs to federation_owner, runs
-- with the rights of whoever calls, who is a peer or nobody, and goes with its resource.
-- Relies on: page_statement and row_statement; describe_resource, which tells when what was written is out of date.
create or replace function federation.forget_prepared(resource text) returns void
language plpgsql
volatile
security definer -- the functions belong to federation_owner
set search_path = ''
as $$
declare
  named constant record := federation.written_functions(resource);
begin
  execute format('drop function if exists %s', named.list);
  execute format('drop function if exists %s', named.get);
  execute format('drop function if exists %s', named.mark);
end;
$$;
revoke all on function federation.forget_prepared(text) from public;
comment on function federation.forget_prepared(text) is 'Drops what was written beforehand for a resource.';

create or replace function federation.write_prepared(resource text) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  named constant record := federation.written_functions(resource);
  registered federation.federation_resources;
  sorted record;
  key_type text;
  team_type text;
  personal record;
  roles oid[];
  first_page text;
  next_page text;
  one_row text;
  the_path text;
  write_list text;
  write_get text;
  write_mark text;
begin
  select r.* into registered from federation.federation_resources r where r.name = resource;
  if not found or not exists (select from pg_class c where c.oid = registered.table_id) then
    raise exception 'Its table is gone.' using errcode = 'undefined_table';
  end if;
  select array_agg(o.name) as names, array_agg(o.type) as types, array_agg(o.is_nullable) as nullables, array_agg(o.descending) as descendings
  into sorted
  from federation.order_terms(resource, null) o;
  select c.type into strict key_type from federation.resource_columns(resource) c where c.name = registered.key_column;
  team_type := federation.column_type(registered.table_id, registered.team_expression::name);
  select c.* into personal from federation.personal_condition(resource) c;
  roles := federation.reading_roles(registered.table_id);
  first_page := federation.page_statement(
    resource, registered.table_id, '{}', '{}', sorted.names, sorted.descendings, registered.team_expression::name, team_type, personal.condition
  );
  -- Of a position, the text holds no value, and no more than that none is null.
  next_page := federation.page_statement(
    resource, registered.table_id, '{}',
    federation.keyset_ranges(sorted.names, sorted.types, sorted.nullables, sorted.descendings, array_fill(''::text, array[cardinality(sorted.names)])),
    sorted.names, sorted.descendings, registered.team_expression::name, team_type, personal.condition
  );
  one_row := federation.row_statement(resource, registered.table_id, registered.key_column, '$1::' || key_type);
  the_path := coalesce(nullif(registered.identity_settings ->> 'search_path', ''), '""');

  write_list := format(
    $f$create or replace function federation_prepared.%I(
        vals pg_catalog.text[], page_size pg_catalog.int4, keyset pg_catalog.text[], is_personal pg_catalog.bool, teams pg_catalog.text[],
        most pg_catalog.int4, out page_rows pg_catalog.json, out last_keys pg_catalog.text, out page_teams pg_catalog.text[]
      )
      language plpgsql
      stable
      set search_path from current
      -- The first executions would be planned for their values, which are no better known than the teams of a scope.
      set plan_cache_mode = force_generic_plan
      -- A plan that is made without values takes every condition for rare, and would read rows by a bitmap of the policies' alternatives, to sort them.
      set enable_bitmapscan = off
      as %L$f$,
    resource || '_list',
    concat(
      e'#variable_conflict use_column\nbegin\n  if $3 is null then\n    select s.page_rows, s.last_keys, s.page_teams into page_rows, last_keys, page_teams from (', first_page,
      e') s (page_rows, last_keys, page_teams);\n  else\n    select s.page_rows, s.last_keys, s.page_teams into page_rows, last_keys, page_teams from (', next_page,
      e') s (page_rows, last_keys, page_teams);\n  end if;\nend'
    )
  );
  write_get := format(
    $f$create or replace function federation_prepared.%I(id pg_catalog.text) returns pg_catalog.json
      language plpgsql
      stable
      set search_path from current
      set plan_cache_mode = force_generic_plan
      as %L$f$,
    resource || '_get',
    concat(
      -- A domain may refuse null, so no variable is of the key's type.
      e'declare\n  is_of_type boolean;\nbegin\n  begin\n    is_of_type := $1::', key_type,
      e' is not null;\n  exception\n    when data_exception or check_violation or not_null_violation then\n      raise exception ''A value is not of its column''''s type.''',
      e' using errcode = ''MF012'', detail = ''{"path": "filter"}'';\n  end;\n  return (', one_row, e');\nend'
    )
  );

  write_mark := format(
    $f$create or replace function federation_prepared.%I() returns pg_catalog.text
      language plpgsql
      stable
      set search_path from current
      as %L$f$,
    resource || '_mark',
    format(
      -- Another table may have the name by now, or none.
      e'begin\n  return (select coalesce((select null::pg_catalog.text from %s where false), federation.plan_mark()));\n'
      'exception\n  when undefined_table or insufficient_privilege then\n    return null;\nend',
      registered.table_id
    )
  );

  -- As list_rows and get_row have it; a function that is made "from current" keeps it. Whoever may create in a schema of this path could put a function
  -- of their own before a built-in one (format takes any types, theirs may take just these), and it would run as federation_owner: while the path is
  -- theirs, nothing is called by a name without its schema.
  perform pg_catalog.set_config('search_path', the_path, true);
  execute write_list;
  execute write_get;
  execute write_mark;
  perform pg_catalog.set_config('search_path', '', true);
  execute format('revoke all on function %s, %s, %s from public', named.list, named.get, named.mark);
  execute format('grant execute on function %s, %s, %s to federation_peer', named.list, named.get, named.mark);
  execute format('comment on function %s is %L', named.list, 'A page in the order of the resource. Written by federation.prepare_resource.');
  execute format('comment on function %s is %L', named.get, 'A row by its key. Written by federation.prepare_resource.');
  execute format(
    'comment on function %s is %L', named.mark, 'The mark of the plan for the table and its policies. Written by federation.prepare_resource.'
  );
  insert into federation.federation_prepared_resources (resource_name, fingerprint, personal_condition, native_policy, roles)
  values (
    resource, federation.resource_fingerprint(registered.table_id, personal.native_policy, roles), personal.condition, personal.native_policy, roles
  )
  on conflict (resource_name) do update set
    fingerprint = excluded.fingerprint, personal_condition = excluded.personal_condition, native_policy = excluded.native_policy, roles = excluded.roles;
end;
$$;
revoke all on function federation.write_prepared(text) from public;
comment on function federation.write_prepared(text) is 'Writes the functions of a resource in federation_prepared, as whoever calls. Raises what keeps it from that.';

create or replace function federation.unprepare_resource(resource text) returns void
language sql
volatile
security definer -- the functions belong to federation_owner
set search_path = ''
as $$
  select federation.lock_registrations();
  -- The row first, as whoever writes it anew.
  delete from federation.federation_prepared_resources w where w.resource_name = unprepare_resource.resource;
  select federation.forget_prepared(unprepare_resource.resource);
$$;
revoke all on function federation.unprepare_resource(text) from public;
grant execute on function federation.unprepare_resource(text) to federation_admin;
comment on function federation.unprepare_resource(text) is
  'Drops what was written beforehand for a resource; peers read it by the functions for all. federation.prepare_resource writes it again.';

create or replace function federation.prepare_resource(resource text) returns text
language plpgsql
volatile
security definer -- the functions that are written must belong to federation_owner
set search_path = ''
as $$
begin
  -- Before any other lock, where a row comes: who removes one has this lock, and waits for the row.
  if not exists (select from federation.federation_prepared_resources w where w.resource_name = resource) then
    perform federation.lock_registrations();
  end if;
  begin
    -- The table of what is prepared before a row of it, as who brings the database to a release takes them; the row, then the functions, then the
    -- resource's own table, as who removes it does. What is written anew waits for no other resource.
    lock table federation.federation_prepared_resources in row exclusive mode;
    perform from federation.federation_prepared_resources w where w.resource_name = resource for update;
    if not found then
      perform federation.lock_registrations();
    end if;
    perform federation.write_prepared(resource);
    return null;
  exception
    -- A table that is no longer as it was registered (a column of its order has another name) keeps no other from being prepared, and no gateway from
    -- starting.
    when others then
      -- What was locked in vain is let go of by now.
      perform federation.unprepare_resource(resource);
      return sqlerrm;
  end;
end;
$$;
revoke all on function federation.prepare_resource(text) from public;
grant execute on function federation.prepare_resource(text) to federation_admin;
comment on function federation.prepare_resource(text) is
  'Writes beforehand how peers read a resource; returns null, or why it cannot. Registration and each start of a gateway do; call it after a change.';

create or replace function federation.unprepared_resources() returns setof text
language sql
stable
security definer -- administrators cannot read the catalogue of resources
set search_path = ''
as $$
  select r.name
  from federation.federation_resources r
  left join federation.federation_prepared_resources w on w.resource_name = r.name
  where w.fingerprint is distinct from federation.resource_fingerprint(r.table_id, w.native_policy, w.roles)
    or w.roles is distinct from federation.reading_roles(r.table_id)
    or not federation.is_written(r.name)
  order by r.name;
$$;
revoke all on function federation.unprepared_resources() from public;
grant execute on function federation.unprepared_resources() to federation_admin;
comment on function federation.unprepared_resources() is 'The resources of which what is written beforehand is missing or out of date.';

drop function if exists federation.prepare_resources();
create or replace function federation.prepare_resources(names text[] default null) returns table (resource text, reason text)
language sql
volatile
security definer -- administrators cannot read the catalogue of resources
set search_path = ''
as $$
  select federation.rebuild_assume_identity() where federation.assume_identity_is_stale();
  select federation.rebuild_read_prepared();
  -- As prepare_resource has it where a row comes, or goes as what cannot be prepared: before the rows of others are locked. Where there is one at most,
  -- as at a start, which names one at a time, nobody is waited for.
  select federation.lock_registrations()
  where case when names is null then (select count(*) from federation.unprepared_resources()) else cardinality(names) end > 1;
  select p.name, p.reason
  from (
    select r.name, federation.prepare_resource(r.name) as reason
    from federation.federation_resources r
    -- To look which of all are out of date takes a while at a start, where it has been looked already.
    where case when names is null then r.name in (select federation.unprepared_resources()) else r.name = any (names) end
  ) as p
  where p.reason is not null;
$$;
revoke all on function federation.prepare_resources(text[]) from public;
grant execute on function federation.prepare_resources(text[]) to federation_admin;
comment on function federation.prepare_resources(text[]) is
  'Writes beforehand what is missing or out of date of all resources, or these anew; returns those of which it cannot, and why.';

create or replace function federation.tg_federation_resources__prepare() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    perform federation.forget_prepared(old.name);
  else
    perform federation.prepare_resource(new.name);
  end if;
  return null;
end;
$$;
revoke all on function federation.tg_federation_resources__prepare() from public;
comment on function federation.tg_federation_resources__prepare() is 'Prepared functions hold no column that a resource has no longer.';

create or replace trigger _500_prepare
after update or delete on federation.federation_resources
for each row execute function federation.tg_federation_resources__prepare();
-- Also for rows that replication brings: a column that is hidden there is to be hidden here.
alter table federation.federation_resources enable always trigger _500_prepare;

-- By this release, whichever wrote them before.
delete from federation.federation_prepared_resources;
select federation.prepare_resources();
