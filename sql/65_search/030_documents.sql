-- Guarantees: the words of each row of an indexed resource are kept in the transaction that writes the row, whoever writes it.
-- Relies on: federation_resources for which columns; the application's roles have no right on what is kept here.
create or replace function federation.put_search_document(resource text, entry jsonb) returns void
language plpgsql
volatile
security definer -- who writes to a table of the application has no right on the words
set search_path = ''
as $$
declare
  registered federation.federation_resources;
  owner text;
  team text;
  words tsvector;
begin
  select r.* into registered from federation.federation_resources r where r.name = resource;
  owner := entry ->> registered.owner_expression;
  team := entry ->> registered.team_expression;
  if entry ->> registered.key_column is null then
    return;
  end if;
  words := federation.search_document(
    federation.search_config_of(registered.search_config),
    array(select entry ->> c.name from unnest(registered.text_columns) with ordinality as c (name, n) order by c.n)
  );
  insert into federation.federation_search_documents as d (resource_name, row_key, document, scoped)
  values (
    resource, entry ->> registered.key_column, words,
    federation.scoped_words(
      array_remove(
        case
          when team is null then array[federation.search_prefix(resource, 'personal', owner)]
          else array[federation.search_prefix(resource, 'team', team), federation.search_prefix(resource, 'owner', owner)]
        end,
        null
      ),
      words
    )
  )
  on conflict (resource_name, row_key) do update
  set document = excluded.document, scoped = excluded.scoped
  where (d.document, d.scoped) is distinct from (excluded.document, excluded.scoped);
end;
$$;
revoke all on function federation.put_search_document(text, jsonb) from public;
grant execute on function federation.put_search_document(text, jsonb) to federation_admin;
comment on function federation.put_search_document(text, jsonb) is 'Keeps the words of a row, which is given as JSON.';

create or replace function federation.tg_resources__keep_words() returns trigger
language plpgsql
volatile
security definer -- who writes to a table of the application has no right on the words
set search_path = ''
set client_min_messages = warning
as $$
declare
  key_column name;
  before jsonb;
  after jsonb;
begin
  if tg_op = 'TRUNCATE' then
    delete from federation.federation_search_documents d where d.resource_name = tg_argv[0];
    return null;
  end if;
  -- A row that JSON cannot hold (a value of more than 256 MB) is written all the same, and found by no search.
  begin
    if tg_op <> 'INSERT' then
      before := to_jsonb(old);
    end if;
    if tg_op <> 'DELETE' then
      after := to_jsonb(new);
    end if;
  exception
    when program_limit_exceeded or internal_error then
      after := null;
  end;
  if before = after then
    return null;
  end if;
  if before is not null then
    select r.key_column into key_column from federation.federation_resources r where r.name = tg_argv[0];
    if before ->> key_column is distinct from after ->> key_column then
      delete from federation.federation_search_documents d where d.resource_name = tg_argv[0] and d.row_key = before ->> key_column;
    end if;
  end if;
  if after is not null then
    perform federation.put_search_document(tg_argv[0], after);
  end if;
  return null;
end;
$$;
revoke all on function federation.tg_resources__keep_words() from public;
grant execute on function federation.tg_resources__keep_words() to federation_admin;
comment on function federation.tg_resources__keep_words() is 'Keeps the words of a resource''s rows as they are written. Argument: the resource.';

create or replace function federation.can_index_search(table_id regclass, key_column name, owner text, team text) returns boolean
language sql
stable
set search_path = ''
as $$
  -- Columns whose equal values are written alike: no domain, no padding, no collation by which two texts are one.
  select count(*) = count(distinct c.name) filter (where a.attname is not null)
  from (select key_column::text union select owner where owner is not null union select team where team is not null) as c (name)
  left join pg_catalog.pg_attribute a
    on a.attrelid = table_id and a.attname = c.name and a.attnum > 0 and not a.attisdropped
    and a.atttypid in (
      'text'::regtype, 'character varying'::regtype, 'uuid'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype
    )
    and not exists (select from pg_catalog.pg_collation l where l.oid = a.attcollation and not l.collisdeterministic);
$$;
revoke all on function federation.can_index_search(regclass, name, text, text) from public;
grant execute on function federation.can_index_search(regclass, name, text, text) to federation_admin;
comment on function federation.can_index_search(regclass, name, text, text) is
  'Whether owner and team are columns by which an index of words can be told apart; expressions are not.';

create or replace function federation.install_search_triggers(name text, table_id regclass) returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  execute format(
    'create trigger %I after insert or update or delete on %s for each row execute function federation.tg_resources__keep_words(%L)',
    name || '_words', table_id, name
  );
  execute format(
    'create trigger %I after truncate on %s for each statement execute function federation.tg_resources__keep_words(%L)',
    name || '_words_truncate', table_id, name
  );
  -- On a large table this takes a while; the table takes no writes meanwhile.
  execute format('lock table %s in share row exclusive mode', table_id);
  execute format('select count(federation.put_search_document(%L, to_jsonb(t))) from %s t', name, table_id);
end;
$$;
revoke all on function federation.install_search_triggers(text, regclass) from public;
grant execute on function federation.install_search_triggers(text, regclass) to federation_admin;
comment on function federation.install_search_triggers(text, regclass) is 'Keeps the words of a table''s rows from now on, and of those that are there.';
