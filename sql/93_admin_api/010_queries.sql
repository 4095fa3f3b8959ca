-- Guarantees: each question is answered as the person of the transaction may have it answered, and by nobody's rights but those of the admin functions.
create or replace function admin_api.me() returns jsonb
language sql
stable
security definer -- nobody else may read the person of the transaction
set search_path = ''
as $$
  select jsonb_build_object(
    'name', p.person -> 'name', 'isAdministrator', p.person -> 'administrator', 'signedInBy', p.person -> 'signedInBy',
    'sessionExpiresAt', p.person -> 'expiresAt'
  )
  from federation.require_person() as p (person);
$$;
revoke all on function admin_api.me() from public;
grant execute on function admin_api.me() to federation_pages;
comment on function admin_api.me() is 'Who is signed in. Raises MF040.';

create or replace function admin_api.peers() returns jsonb
language sql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
  select coalesce(jsonb_agg(p.item), '[]') from federation.shown_peers() as p (item);
$$;
revoke all on function admin_api.peers() from public;
grant execute on function admin_api.peers() to federation_pages;
comment on function admin_api.peers() is 'Peers: an administrator''s answer has everybody''s, a user''s their own. Raises MF040.';

create or replace function admin_api.grants(status text default null, search text default null) returns jsonb
language sql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
  select coalesce(jsonb_agg(g.item), '[]')
  from federation.shown_grants() as g (item)
  where (grants.status is null or g.item ->> 'status' = grants.status)
    and (
      coalesce(grants.search, '') = ''
      or strpos(lower(concat_ws(' ', g.item ->> 'id', g.item ->> 'subject', g.item ->> 'peerHost')), lower(grants.search)) > 0
    );
$$;
revoke all on function admin_api.grants(text, text) from public;
grant execute on function admin_api.grants(text, text) to federation_pages;
comment on function admin_api.grants(text, text) is
  'Grants, newest first: an administrator''s answer has all, a user''s those in which they are the subject; of one status, or with some text in id, subject or host. Raises MF040.';

create or replace function admin_api."grant"(id uuid) returns jsonb
language sql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
  select g.item from federation.shown_grants(id) as g (item);
$$;
revoke all on function admin_api."grant"(uuid) from public;
grant execute on function admin_api."grant"(uuid) to federation_pages;
comment on function admin_api."grant"(uuid) is 'A grant that the person may see; null where there is none. Raises MF040.';

create or replace function admin_api.resources() returns jsonb
language sql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
  select coalesce(jsonb_agg(r.item), '[]') from federation.shown_resources() as r (item);
$$;
revoke all on function admin_api.resources() from public;
grant execute on function admin_api.resources() to federation_pages;
comment on function admin_api.resources() is 'Registered resources. Raises MF040.';

create or replace function admin_api.alerts(include_resolved boolean default false) returns jsonb
language plpgsql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'id', a.id::text, 'since', federation.shown_time(a.at), 'severity', a.severity, 'code', a.code, 'subject', a.subject, 'message', a.message,
          'resolvedAt', federation.shown_time(a.resolved_at)
        )
      ),
      '[]'
    )
    from federation.list_alerts(coalesce(alerts.include_resolved, false)) a
  );
end;
$$;
revoke all on function admin_api.alerts(boolean) from public;
grant execute on function admin_api.alerts(boolean) to federation_pages;
comment on function admin_api.alerts(boolean) is 'What an administrator should look at, newest first. Raises MF040, MF041.';

create or replace function admin_api.administrators() returns jsonb
language plpgsql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'id', a.administrator_id, 'name', a.name, 'hasToken', a.has_token, 'oidcSubject', a.oidc_subject,
          'createdAt', federation.shown_time(a.created_at), 'createdBy', a.created_by, 'lastSeenAt', federation.shown_time(a.last_seen_at)
        )
      ),
      '[]'
    )
    from federation.list_administrators() a
  );
end;
$$;
revoke all on function admin_api.administrators() from public;
grant execute on function admin_api.administrators() to federation_pages;
comment on function admin_api.administrators() is 'Who may sign in as an administrator. Raises MF040, MF041.';

create or replace function admin_api.choices(search text default null) returns jsonb
language plpgsql
stable
security definer -- administrators read users and teams through the federation's functions only
set search_path = ''
as $$
declare
  bound federation.federation_identity;
  users jsonb;
  teams jsonb;
begin
  perform federation.require_administrator();
  select i.* into bound from federation.federation_identity i;
  if bound.users_table is not null then
    execute format(
      'select jsonb_agg(c.id) from (
        select distinct u.%1$I::text as id from %2$s u where starts_with(u.%1$I::text, $1) and %3$s order by 1 limit 50
      ) c',
      bound.user_column, bound.users_table, federation.is_there('u', bound.user_deleted_column)
    )
    into users using coalesce(choices.search, '');
  end if;
  if bound.memberships_table is not null then
    execute format(
      'select jsonb_agg(c.id) from (
        select distinct m.%1$I::text as id from %2$s m where starts_with(m.%1$I::text, $1) and %3$s order by 1 limit 50
      ) c',
      bound.member_team_column, bound.memberships_table, federation.is_there('m', bound.member_deleted_column)
    )
    into teams using coalesce(choices.search, '');
  end if;
  return jsonb_build_object(
    'users', coalesce(users, '[]'), 'teams', coalesce(teams, '[]'),
    'resources', (select coalesce(jsonb_agg(r.name), '[]') from federation.list_resources() r)
  );
end;
$$;
revoke all on function admin_api.choices(text) from public;
grant execute on function admin_api.choices(text) to federation_pages;
comment on function admin_api.choices(text) is
  'Users and teams whose ids begin so, at most 50 each, and the resources: what a grant and its scope are made of. Raises MF040, MF041.';

create or replace function admin_api.candidate_tables() returns jsonb
language plpgsql
stable
security definer -- the pages have no right to call the functions that it asks
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'table', o.name,
          'hasPolicies', c.relrowsecurity,
          -- PostgreSQL documentation, pg_class.reltuples: -1 where no VACUUM and no ANALYZE has counted yet.
          'estimatedRows', nullif(c.reltuples, -1)::bigint,
          'keyColumns', k.names,
          'columns', (
            select coalesce(
              jsonb_agg(
                jsonb_build_object(
                  'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
                  'isText', t.typcategory = 'S', 'isTime', a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
                )
                order by a.attnum
              ),
              '[]'
            )
            from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          )
        )
        order by n.nspname, c.relname
      ),
      '[]'
    )
    from federation.tables_of_applications() o
    join pg_catalog.pg_class c on c.oid = o.table_id
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select jsonb_agg(a.attname order by a.attnum) as names
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and federation.is_unique_key(c.oid, a.attname)
    ) k
    -- Without such a column federation.register_resource takes no table.
    where k.names is not null and not exists (select from federation.list_resources() r where r.table_id = c.oid)
  );
end;
$$;
revoke all on function admin_api.candidate_tables() from public;
grant execute on function admin_api.candidate_tables() to federation_pages;
comment on function admin_api.candidate_tables() is
  'Tables that are not registered and could be, with their columns, and which of these alone identify a row. Raises MF040, MF041.';
