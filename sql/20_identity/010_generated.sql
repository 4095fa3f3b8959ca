-- Guarantees: who exists and who is in which team is read live from the application's own tables, never from a copy.
-- A key has one text, whatever the settings of a session: what is granted and what goes are compared by it.
-- Relies on: federation_identity. The three functions are written from that row, so that their plans are kept; without a row they say no.
create or replace function federation.is_there(row_alias text, deleted_column name) returns text
language sql
immutable
set search_path = ''
as $$
  -- True and any time mean deleted; false and null do not: one comparison for both kinds of columns.
  select case when deleted_column is null then 'true' else format('coalesce(%s.%I::text, ''false'') = ''false''', row_alias, deleted_column) end;
$$;
revoke all on function federation.is_there(text, name) from public;
comment on function federation.is_there(text, name) is 'The condition, as SQL text, that a row is not marked as deleted; true where no column marks it.';

create or replace function federation.key_text(key anyelement) returns text
language sql
stable strict
set search_path = ''
set bytea_output = 'hex'
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
as $$
  select key::text;
$$;
revoke all on function federation.key_text(anyelement) from public;
comment on function federation.key_text(anyelement) is 'The text of a key or a team, the same under all settings of a session; they change that of bytes, times and fractions.';

create or replace function federation.are_text(table_id regclass, columns name[]) returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(bool_and(federation.column_type(table_id, c.name) in ('text', 'character varying')), false) from unnest(columns) as c (name);
$$;
revoke all on function federation.are_text(regclass, name[]) from public;
comment on function federation.are_text(regclass, name[]) is 'Whether the columns are text as it is, of which every text is a value, the same under all settings.';

create or replace function federation.guarded_body(expression text, otherwise text, any_text_will_do boolean) returns text
language sql
immutable
set search_path = ''
as $$
  -- What is no value of a key's type is nobody's. To guard against it is a subtransaction of each call.
  select concat('begin return ', expression, '; ', case when not any_text_will_do then format('exception when data_exception then return %s; ', otherwise) end, 'end');
$$;
revoke all on function federation.guarded_body(text, text, boolean) from public;
comment on function federation.guarded_body(text, text, boolean) is
  'The body of a function that returns an expression, or something else where that finds a value that is none of its type.';

create or replace function federation.rebuild_identity_functions() returns void
language plpgsql
volatile
security definer -- the functions it writes must belong to federation_owner
set search_path = ''
as $$
declare
  bound federation.federation_identity;
  exists_body text := 'false';
  key_body text := 'null';
  teams_body text := 'array[]::text[]';
  -- As in federation.key_text, which would be called for each membership of each request. Not for subject_key: a key that an administrator writes
  -- is read as that session reads it, and kept as everybody reads it.
  settings constant text := 'set bytea_output = ''hex'' set datestyle = ''ISO, MDY'' set intervalstyle = ''postgres'' set timezone = ''UTC'' '
    'set extra_float_digits = 1';
  users_are_text boolean;
  teams_are_text boolean;
begin
  select i.* into bound from federation.federation_identity i;
  users_are_text := federation.are_text(bound.users_table, array[bound.user_column]);
  teams_are_text := federation.are_text(bound.memberships_table, array[bound.member_user_column, bound.member_team_column]);
  if bound.users_table is not null then
    exists_body := format(
      'exists (select from %s u where u.%I = $1::%s and %s)', bound.users_table, bound.user_column,
      federation.column_type(bound.users_table, bound.user_column), federation.is_there('u', bound.user_deleted_column)
    );
    key_body := format(
      '(select federation.key_text(u.%I) from %s u where u.%I = $1::%s and %s limit 1)', bound.user_column, bound.users_table, bound.user_column,
      federation.column_type(bound.users_table, bound.user_column), federation.is_there('u', bound.user_deleted_column)
    );
  end if;
  if bound.memberships_table is not null then
    teams_body := format(
      '(select coalesce(array_agg(distinct m.%I::text) filter (where m.%I is not null), array[]::text[]) from %s m where m.%I = $1::%s and %s)',
      bound.member_team_column, bound.member_team_column, bound.memberships_table, bound.member_user_column,
      federation.column_type(bound.memberships_table, bound.member_user_column), federation.is_there('m', bound.member_deleted_column)
    );
  end if;
  execute format(
    $f$create or replace function federation.subject_exists(subject text) returns boolean
      language plpgsql
      stable strict
      security definer -- no other role may read the users table through the federation
      set search_path = ''
      %s
      as %L$f$,
    case when users_are_text then '' else settings end,
    federation.guarded_body(exists_body, 'false', users_are_text)
  );
  execute format(
    $f$create or replace function federation.subject_key(subject text) returns text
      language plpgsql
      stable strict
      security definer -- no other role may read the users table through the federation
      set search_path = ''
      as %L$f$,
    federation.guarded_body(key_body, 'null', users_are_text)
  );
  execute format(
    $f$create or replace function federation.subject_teams(subject text) returns text[]
      language plpgsql
      stable strict
      security definer -- no other role may read the memberships table through the federation
      set search_path = ''
      %s
      as %L$f$,
    case when teams_are_text then '' else settings end,
    federation.guarded_body(teams_body, 'array[]::text[]', teams_are_text)
  );
  revoke all on function federation.subject_exists(text), federation.subject_key(text), federation.subject_teams(text) from public;
  comment on function federation.subject_exists(text) is 'Whether the bound users table holds this user, not marked as deleted. Written by federation.bind_identity.';
  comment on function federation.subject_key(text) is
    'The key of a user as its row says it: 5 for "05" where keys are numbers; null for nobody. Written by federation.bind_identity.';
  comment on function federation.subject_teams(text) is 'The teams of a user, from the bound memberships table. Written by federation.bind_identity.';
end;
$$;
revoke all on function federation.rebuild_identity_functions() from public;
comment on function federation.rebuild_identity_functions() is 'Writes subject_exists, subject_key and subject_teams from the bound identity.';

create or replace function federation.column_type(table_id regclass, column_name name) returns text
language sql
stable strict
set search_path = ''
as $$
  select format_type(a.atttypid, -1)
  from pg_attribute a
  where a.attrelid = table_id and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
$$;
revoke all on function federation.column_type(regclass, name) from public;
grant execute on function federation.column_type(regclass, name) to federation_admin;
comment on function federation.column_type(regclass, name) is
  'The type of a column as SQL text, without its length: a cast to varchar(5) would cut what is compared.';

select federation.rebuild_identity_functions();

create or replace function federation.current_teams() returns text[]
language plpgsql -- whose plan is kept: policies call it
stable
security definer -- reads the memberships of the subject
set search_path = ''
as $$
declare
  as_of constant text := federation.as_of_statement();
  teams text[] := federation.recall('federation.teams', as_of)::text[];
  ignored text;
begin
  if teams is null then
    teams := coalesce(federation.subject_teams(federation.current_subject()), array[]::text[]);
    ignored := federation.remember('federation.teams', as_of, teams::text);
  end if;
  return teams;
end;
$$;
revoke all on function federation.current_teams() from public;
grant execute on function federation.current_teams() to federation_peer, federation_user;
comment on function federation.current_teams() is 'The teams of the current subject, read now.';
