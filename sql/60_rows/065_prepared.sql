-- Guarantees: what a prepared function answers is what list_rows and get_row answer; where it cannot be used, nobody notices but by the time.
-- Relies on: prepare_resource being called where a resource is registered and after sql/ was applied.
create or replace function federation.prepare_resource(resource text) returns void
language plpgsql
volatile
security definer -- the functions that it writes must belong to federation_owner
set search_path = ''
as $$
declare
  registered federation.federation_resources;
  sorted record;
  keyset text;
  columns text;
  clause text;
  cut_short text;
begin
  -- One after the other: all write the functions of write_dispatch.
  perform pg_advisory_xact_lock(hashtext('federation.prepare_resource'));
  select r.* into registered from federation.federation_resources r where r.name = resource;
  update federation.federation_resources r set prepared_for = null where r.name = resource;
  if not coalesce((select d.is_protected from federation.describe_resource(resource) d), false) then
    return;
  end if;
  select
    array_agg(o.name) as names, array_agg(o.type) as types, array_agg(o.is_nullable) as nullables, array_agg(o.descending) as descendings,
    bool_or(o.is_nullable) as any_nullable
  into sorted
  from federation.order_terms(resource, null) o;
  -- With nulls in the order, what follows a position depends on the position. A search path of its own is for a statement of its own.
  if sorted.any_nullable or registered.identity_settings ? 'search_path' then
    return;
  end if;
  columns := federation.select_columns(resource);
  clause := federation.order_clause(sorted.names, sorted.descendings);
  cut_short := case when registered.team_expression is not null and federation.has_branches(registered) then 't."page turn" = page.turns' else 'false' end;
  keyset := replace(
    federation.keyset_condition(sorted.names, sorted.types, sorted.nullables, sorted.descendings, sorted.types), '($3)', 'page.keyset'
  );
  execute format(
    $f$create or replace function federation.%I(
        page_size integer, keyset text[], subject text, personal boolean, teams text[],
        out page_rows json, out last_keys text[], out more boolean, out row_count integer
      )
      language plpgsql
      stable
      set search_path = ''
      set datestyle = 'ISO, MDY'
      set timezone = 'UTC'
      set intervalstyle = 'postgres'
      set plan_cache_mode = force_generic_plan
      as %L$f$,
    'page_of_' || resource,
    format(
      '<<page>>
      declare
        page_size constant integer := $1;
        keyset constant text[] := $2;
        subject constant text := $3;
        personal constant boolean := $4;
        teams constant text[] := $5;
        -- Of each team eight times its share, for rows are not shared evenly; where all of these are in the page, there may be more.
        turns integer := least(page_size + 1, greatest(16, 8 * (page_size + 1) / greatest(cardinality(teams), 1)));
        is_cut_short boolean;
      begin
        loop
          if keyset is null then
            %s into page_rows, last_keys, more, row_count, is_cut_short;
          else
            %s into page_rows, last_keys, more, row_count, is_cut_short;
          end if;
          exit when turns > page_size or not is_cut_short;
          turns := least(page_size + 1, 4 * turns);
        end loop;
      end',
      federation.page_statement(columns, sorted.names, sorted.descendings, federation.page_source(registered, clause, null), 'page.page_size', cut_short),
      federation.page_statement(columns, sorted.names, sorted.descendings, federation.page_source(registered, clause, keyset), 'page.page_size', cut_short)
    )
  );
  execute format(
    $f$create or replace function federation.%I(id text) returns json
      language plpgsql
      stable
      set search_path = ''
      set datestyle = 'ISO, MDY'
      set timezone = 'UTC'
      set intervalstyle = 'postgres'
      set plan_cache_mode = force_generic_plan
      as %L$f$,
    'row_of_' || resource,
    format(
      '<<wanted>>
      declare
        key %s;
      begin
        begin
          key := $1;
        exception
          when data_exception or check_violation then
            raise exception ''A value is not of its column''''s type.'' using errcode = ''MF012'', detail = ''{"path": "filter"}'';
        end;
        return (select (select row_to_json(r.*) from (select %s) r) from %s t where t.%I = wanted.key);
      end',
      federation.column_type(registered.table_id, registered.key_column), columns, registered.table_id, registered.key_column
    )
  );
  execute format(
    'revoke all on function federation.%1$I(integer, text[], text, boolean, text[]), federation.%2$I(text) from public;
      grant execute on function federation.%1$I(integer, text[], text, boolean, text[]), federation.%2$I(text) to federation_peer;
      comment on function federation.%1$I(integer, text[], text, boolean, text[]) is %3$L;
      comment on function federation.%2$I(text) is %4$L',
    'page_of_' || resource, 'row_of_' || resource,
    'A page in the resource''s own order, after a position or from the beginning. Written by federation.prepare_resource.',
    'A row by its key; null where none is visible. Written by federation.prepare_resource.'
  );
  update federation.federation_resources r set prepared_for = federation.table_version(resource) where r.name = resource;
  perform federation.write_dispatch();
exception
  -- A column of its order is gone since it was registered: whoever asks is told so.
  when sqlstate 'MF012' then
    return;
end;
$$;
revoke all on function federation.prepare_resource(text) from public;
grant execute on function federation.prepare_resource(text) to federation_admin;
comment on function federation.prepare_resource(text) is 'Writes page_of_<resource> and row_of_<resource> from the table as it is now.';

create or replace function federation.prepare_resources() returns void
language sql
volatile
security definer -- reads the catalogue of resources
set search_path = ''
as $$
  select federation.prepare_resource(r.name)
  from federation.federation_resources r
  where r.prepared_for is distinct from federation.table_version(r.name)
  order by r.name;
$$;
revoke all on function federation.prepare_resources() from public;
grant execute on function federation.prepare_resources() to federation_admin;
comment on function federation.prepare_resources() is 'Prepares the resources whose tables or policies have changed since they were prepared. Called when a gateway starts.';

create or replace function federation.forget_prepared(resource text) returns void
language plpgsql
volatile
security definer -- the functions belong to federation_owner
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtext('federation.prepare_resource'));
  update federation.federation_resources r set prepared_for = null where r.name = resource;
  perform federation.write_dispatch();
  execute format('drop function if exists federation.%I(integer, text[], text, boolean, text[])', 'page_of_' || resource);
  execute format('drop function if exists federation.%I(text)', 'row_of_' || resource);
end;
$$;
revoke all on function federation.forget_prepared(text) from public;
grant execute on function federation.forget_prepared(text) to federation_admin;
comment on function federation.forget_prepared(text) is 'Drops what federation.prepare_resource wrote.';
