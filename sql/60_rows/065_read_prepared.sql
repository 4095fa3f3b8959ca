-- Guarantees: which prepared function is called for a resource is decided by statements whose plans are kept, never by a name that is put into a text.
-- Relies on: federation_prepared_resources; like the functions themselves, these three are written from it, and again whenever resources come or go.

-- Called "immutable", it is evaluated when a query is planned and is part of the plan: while it stays the same, nothing has changed that Postgres plans
-- anew for. docs/decisions/0022-costs-of-a-request.md says what that is.
create or replace function federation.plan_mark() returns text
language plpgsql
immutable
security definer -- peers may not ask for a session's stamp
set search_path = ''
as $$
begin
  return gen_random_uuid() || ' ' || federation.session_stamp();
end;
$$;
revoke all on function federation.plan_mark() from public;
grant execute on function federation.plan_mark() to federation_peer;
comment on function federation.plan_mark() is 'A word by which a plan is known, and the transaction in which it was made.';

-- Of an earlier release.
drop function if exists federation.prepared_functions(text);

create or replace function federation.written_functions(resource text, out list text, out get text, out mark text)
language sql
immutable
set search_path = ''
as $$
  select
    format('federation_prepared.%I(text[], integer, text[], boolean, text[], integer)', resource || '_list'),
    format('federation_prepared.%I(text)', resource || '_get'),
    format('federation_prepared.%I()', resource || '_mark');
$$;
revoke all on function federation.written_functions(text) from public;
comment on function federation.written_functions(text) is 'What the functions that are written for a resource are called, with the types of what they take.';

create or replace function federation.is_written(resource text) returns boolean
language sql
stable
set search_path = ''
as $$
  select to_regprocedure(n.list) is not null and to_regprocedure(n.get) is not null and to_regprocedure(n.mark) is not null
  from federation.written_functions(resource) n;
$$;
revoke all on function federation.is_written(text) from public;
comment on function federation.is_written(text) is 'Whether all functions that are written for a resource are there.';

create or replace function federation.read_prepared_bodies(out mark text, out list text, out get text)
language sql
stable
set search_path = ''
as $$
  select
    concat('begin ', string_agg(format('if $1 = %L then return federation_prepared.%I(); end if; ', p.name, p.name || '_mark'), '' order by p.name), 'return null; end'),
    concat(
      'declare f record; begin ',
      string_agg(format(
          'if $1 = %L then f := federation_prepared.%I(null, $2, $3, $4, $5, $6); '
          'page_rows := f.page_rows; last_keys := f.last_keys; page_teams := f.page_teams; return; end if; ',
          p.name, p.name || '_list'
        ), '' order by p.name),
      -- A resource that is not there any more has no page, which is another answer than an empty one.
      'raise undefined_function; end'
    ),
    concat(
      'begin ', string_agg(format('if $1 = %L then return federation_prepared.%I($2); end if; ', p.name, p.name || '_get'), '' order by p.name),
      'raise undefined_function; end'
    )
  from (
    select w.resource_name
    from federation.federation_prepared_resources w
    -- A row may come alone, with a copy.
    where federation.is_written(w.resource_name)
  ) as p (name);
$$;
revoke all on function federation.read_prepared_bodies() from public;
comment on function federation.read_prepared_bodies() is 'What prepared_mark, prepared_list and prepared_get do, from the resources that are prepared.';

create or replace function federation.read_prepared_is_stale() returns boolean
language sql
stable
set search_path = ''
as $$
  select (b.mark, b.list, b.get) is distinct from (
    (select p.prosrc from pg_proc p where p.oid = to_regprocedure('federation.prepared_mark(text)')),
    (select p.prosrc from pg_proc p where p.oid = to_regprocedure('federation.prepared_list(text,integer,text[],boolean,text[],integer)')),
    (select p.prosrc from pg_proc p where p.oid = to_regprocedure('federation.prepared_get(text,text)'))
  )
  from federation.read_prepared_bodies() b;
$$;
revoke all on function federation.read_prepared_is_stale() from public;
comment on function federation.read_prepared_is_stale() is 'Whether prepared_mark, prepared_list and prepared_get are others than the resources that are prepared make them.';

create or replace function federation.rebuild_read_prepared() returns void
language plpgsql
volatile
security definer -- the functions it writes must belong to federation_owner
set search_path = ''
as $$
declare
  bodies record;
begin
  -- Whoever prepares anew what is there already waits for nobody.
  if not federation.read_prepared_is_stale() then
    return;
  end if;
  -- Two at once would write them at once, each without the other's resources; whoever waited sees what was committed meanwhile. It is the lock that
  -- registrations have already: of two, one could be taken in another order.
  perform federation.lock_registrations();
  select b.* into bodies from federation.read_prepared_bodies() b;
  execute format(
    'create or replace function federation.prepared_mark(resource text) returns text language plpgsql stable set search_path = '''' as %L', bodies.mark
  );
  execute format(
    $f$create or replace function federation.prepared_list(
        resource text, page_size integer, keyset text[], is_personal boolean, teams text[], most integer,
        out page_rows json, out last_keys text, out page_teams text[]
      ) language plpgsql stable set search_path = '' as %L$f$,
    bodies.list
  );
  execute format(
    'create or replace function federation.prepared_get(resource text, id text) returns json language plpgsql stable set search_path = '''' as %L', bodies.get
  );
  revoke all on function federation.prepared_mark(text), federation.prepared_list(text, integer, text[], boolean, text[], integer),
    federation.prepared_get(text, text) from public;
  grant execute on function federation.prepared_mark(text), federation.prepared_list(text, integer, text[], boolean, text[], integer),
    federation.prepared_get(text, text) to federation_peer;
  comment on function federation.prepared_mark(text) is
    'The mark of the plan that this backend has for a resource''s table and policies; null for one that is not prepared. Written by federation.rebuild_read_prepared.';
  comment on function federation.prepared_list(text, integer, text[], boolean, text[], integer) is
    'A page of a prepared resource, as its function in federation_prepared reads it. Written by federation.rebuild_read_prepared.';
  comment on function federation.prepared_get(text, text) is
    'A row of a prepared resource, as its function in federation_prepared reads it. Written by federation.rebuild_read_prepared.';
end;
$$;
revoke all on function federation.rebuild_read_prepared() from public;
comment on function federation.rebuild_read_prepared() is 'Writes prepared_mark, prepared_list and prepared_get from the resources that are prepared.';

create or replace function federation.tg_federation_prepared_resources__read_prepared() returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform federation.rebuild_read_prepared();
  return null;
end;
$$;
revoke all on function federation.tg_federation_prepared_resources__read_prepared() from public;
comment on function federation.tg_federation_prepared_resources__read_prepared() is 'Who is prepared is who is read by what was written beforehand.';

create or replace trigger _500_read_prepared
after insert or update or delete on federation.federation_prepared_resources
for each row execute function federation.tg_federation_prepared_resources__read_prepared();
alter table federation.federation_prepared_resources enable always trigger _500_read_prepared;
