-- Guarantees: a registered table has row-level security on and the scope policy, restrictive, for every peer; its own policies stay in force;
-- where it had none, peers and local users get the owner-or-team policy and everyone else keeps what they had. An embedding never leaves.
-- Relies on: the caller's own rights over the table (policies and privileges are made as the caller).
create or replace function federation.register_resource(
  name text,
  table_id regclass,
  owner text default null,
  team text default null,
  text_columns name[] default '{}',
  time_column name default null,
  order_by jsonb default null,
  key_column name default null,
  hidden_columns name[] default '{}',
  identity_settings jsonb default '{}',
  embedding_column name default null,
  search_config regconfig default 'pg_catalog.simple'
) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  relation record;
  entry jsonb;
  columns name[];
  unknown_column name;
  native boolean;
  policies name[];
  needed record;
  held boolean;
  dimensions integer;
  indexed boolean;
  config text;
begin
  -- In the order of a removal, and of who brings the database to a release.
  perform federation.lock_registrations();
  if name is null or name !~ '^[a-z][a-z0-9_]{0,49}$' then
    raise exception 'A resource name has up to 50 lower-case letters, digits and underscores.' using errcode = 'MF022';
  end if;
  select c.relkind, c.relrowsecurity, n.nspname into relation
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = table_id;
  if relation.relkind is null or relation.relkind not in ('r', 'p') then
    raise exception '% is not a table: row-level security holds for tables only.', table_id using errcode = 'MF022';
  end if;
  if relation.nspname in ('federation', 'federation_api', 'home_api', 'admin_api', 'pg_catalog', 'information_schema') then
    raise exception '% belongs to the federation or to the database system.', table_id using errcode = 'MF022';
  end if;
  if exists (select from federation.list_resources() r where r.name = register_resource.name or r.table_id = register_resource.table_id) then
    raise exception 'The name "%" or the table % is registered already.', name, table_id using errcode = 'MF031';
  end if;
  perform federation.check_identity_settings(name, identity_settings);

  native := not relation.relrowsecurity;
  if native and owner is null then
    raise exception 'A table without policies of its own needs an owner.' using errcode = 'MF022';
  end if;
  key_column := coalesce(key_column, federation.single_key(table_id));
  if key_column is null or not federation.is_unique_key(table_id, key_column) then
    raise exception '% needs one column that is unique and not null as its key.', table_id using errcode = 'MF022';
  end if;
  order_by := coalesce(order_by, jsonb_build_array(jsonb_build_object('column', key_column, 'direction', 'asc')));

  if embedding_column is not null then
    dimensions := federation.embedding_dimensions(table_id, embedding_column);
    hidden_columns := hidden_columns || embedding_column;
  end if;
  columns := array(
    select a.attname
    from pg_catalog.pg_attribute a
    where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped and a.attname <> all (hidden_columns)
    order by a.attnum
  );
  select u.column_name into unknown_column
  from unnest(hidden_columns || text_columns || key_column || time_column) as u (column_name)
  where u.column_name is not null and federation.column_type(table_id, u.column_name) is null
  limit 1;
  if unknown_column is not null then
    raise exception '% has no column %.', table_id, unknown_column using errcode = 'MF022';
  end if;
  if (text_columns || key_column) && hidden_columns or time_column = any (hidden_columns) then
    raise exception 'A hidden column can be neither key nor text nor time column.' using errcode = 'MF022';
  end if;

  select n.nspname || '.' || c.cfgname into config
  from pg_catalog.pg_ts_config c join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
  where c.oid = search_config and n.nspname !~ '\.' and c.cfgname !~ '\.';
  if config is null then
    raise exception 'There is no text search configuration of this name, or its name has a dot.' using errcode = 'MF022';
  end if;
  -- Where others decide which rows are visible, owner and team do not tell; such tables are read row by row.
  indexed := native and cardinality(text_columns) > 0 and federation.can_index_search(table_id, key_column, owner, team);

  if embedding_column is not null then
    perform federation.make_embedding_index(table_id, embedding_column);
  end if;
  perform federation.record_resource(
    jsonb_build_object(
      'name', name, 'table_id', table_id::oid::bigint, 'key_column', key_column, 'owner', owner, 'team', team,
      'hidden_columns', to_jsonb(hidden_columns), 'text_columns', to_jsonb(text_columns), 'time_column', time_column,
      'order_by', order_by, 'identity_settings', identity_settings, 'native_policy', native,
      'embedding_column', embedding_column, 'embedding_dimensions', dimensions, 'search_config', config, 'search_indexed', indexed
    ),
    columns
  );
  perform federation.order_terms(name, order_by);

  if native then
    execute format('alter table %s enable row level security', table_id);
    execute federation.native_policy_statement(name, table_id, owner, team);
    execute format(
      'comment on policy %I on %s is %L', name || '_native', table_id,
      'A row is its owner''s and its team''s members''. Made by federation.register_resource.'
    );
    execute format(
      'create policy %I on %s as permissive for all to public
        using ((select current_user) not in (''federation_peer'', ''federation_user''))
        with check ((select current_user) not in (''federation_peer'', ''federation_user''))',
      name || '_others', table_id
    );
    execute format(
      'comment on policy %I on %s is %L', name || '_others', table_id,
      'Everyone but the federation''s own roles keeps what they had before the table was registered.'
    );
  end if;
  execute federation.scope_policy_statement(name, table_id, team);
  execute format(
    'comment on policy %I on %s is %L', name || '_scope', table_id,
    'A peer sees what its grant''s scope leaves, while the grant is active. Made by federation.register_resource.'
  );

  if indexed then
    perform federation.install_search_triggers(name, table_id);
  end if;

  policies := array(select p.polname from pg_catalog.pg_policy p where p.polrelid = table_id);
  for needed in
    select n.role_name, n.object_kind, n.object_id, n.column_number
    from federation.needed_privileges(table_id, columns || embedding_column, policies, (identity_settings ->> 'role')::name) n
  loop
    held := federation.privilege_held(needed.role_name, needed.object_kind, needed.object_id, needed.column_number);
    if not held then
      execute federation.privilege_statement('grant', needed.role_name, needed.object_kind, needed.object_id, needed.column_number);
    end if;
    perform federation.record_privilege(
      name, needed.role_name, needed.object_kind, needed.object_id, needed.column_number, not held
    );
  end loop;
  perform federation.prepare_resource(name);
end;
$$;
revoke all on function federation.register_resource(text, regclass, text, text, name[], name, jsonb, name, name[], jsonb, name, regconfig) from public;
grant execute on function federation.register_resource(text, regclass, text, text, name[], name, jsonb, name, name[], jsonb, name, regconfig) to federation_admin;
comment on function federation.register_resource(text, regclass, text, text, name[], name, jsonb, name, name[], jsonb, name, regconfig) is
  'Makes a table a resource: the scope policy; where it has no policies, the owner-or-team policy and an index of words; an HNSW index. Raises MF022, MF031.';
