-- Guarantees: the catalogue of resources is written by registration alone.
create or replace function federation.record_resource(entry jsonb, columns name[]) returns void
language sql
volatile
security definer -- administrators have no right on the table itself
set search_path = ''
as $$
  insert into federation.federation_resources (
    name, table_id, key_column, owner_expression, team_expression, columns, hidden_columns, text_columns, time_column, order_by,
    identity_settings, native_policy, embedding_column, embedding_dimensions, search_config, search_indexed,
    registered_by
  )
  select
    entry ->> 'name', (entry ->> 'table_id')::oid, entry ->> 'key_column', entry ->> 'owner', entry ->> 'team', record_resource.columns,
    array(select jsonb_array_elements_text(entry -> 'hidden_columns')),
    array(select jsonb_array_elements_text(entry -> 'text_columns')),
    entry ->> 'time_column', entry -> 'order_by', entry -> 'identity_settings', (entry ->> 'native_policy')::boolean,
    entry ->> 'embedding_column', (entry ->> 'embedding_dimensions')::integer,
    entry ->> 'search_config', (entry ->> 'search_indexed')::boolean,
    federation.current_actor();
$$;
revoke all on function federation.record_resource(jsonb, name[]) from public;
grant execute on function federation.record_resource(jsonb, name[]) to federation_admin;
comment on function federation.record_resource(jsonb, name[]) is 'Writes the row behind federation.register_resource, which is what administrators call.';

create or replace function federation.record_privilege(
  resource text, role_name name, object_kind text, object_id oid, column_number smallint, granted_here boolean
) returns void
language sql
volatile
security definer -- administrators have no right on the table itself
set search_path = ''
as $$
  insert into federation.federation_resource_privileges (resource_name, role_name, object_kind, object_id, column_number, granted_here)
  -- Granted for another registration is granted by registration, not found.
  select resource, p.role_name, p.object_kind, p.object_id, p.column_number, p.granted_here or exists (
    select from federation.federation_resource_privileges o
    where (o.role_name, o.object_kind, o.object_id, o.column_number) = (p.role_name, p.object_kind, p.object_id, p.column_number)
      and o.granted_here
  )
  from (values (role_name, object_kind, object_id, column_number, granted_here))
    as p (role_name, object_kind, object_id, column_number, granted_here);
$$;
revoke all on function federation.record_privilege(text, name, text, oid, smallint, boolean) from public;
grant execute on function federation.record_privilege(text, name, text, oid, smallint, boolean) to federation_admin;
comment on function federation.record_privilege(text, name, text, oid, smallint, boolean) is
  'Notes a privilege that a registration needs, and whether it is to be revoked with it.';

create or replace function federation.forget_resource(resource text)
returns table (role_name name, object_kind text, object_id oid, column_number smallint)
language sql
volatile
security definer -- administrators have no right on the tables themselves
set search_path = ''
as $$
  with gone as (
    delete from federation.federation_resources r where r.name = resource
  ),
  words as (
    delete from federation.federation_search_documents d where d.resource_name = resource
  )
  select p.role_name, p.object_kind, p.object_id, p.column_number
  from federation.federation_resource_privileges p
  where p.resource_name = resource
    and p.granted_here
    and not exists (
      select from federation.federation_resource_privileges o
      where o.resource_name <> resource
        and (o.role_name, o.object_kind, o.object_id, o.column_number) = (p.role_name, p.object_kind, p.object_id, p.column_number)
    )
  order by p.object_kind, p.object_id, p.column_number;
$$;
revoke all on function federation.forget_resource(text) from public;
grant execute on function federation.forget_resource(text) to federation_admin;
comment on function federation.forget_resource(text) is 'Deletes a resource from the catalogue and returns the privileges that were granted for it alone.';

create or replace function federation.list_resources()
returns setof federation.federation_resources
language sql
stable
security definer -- administrators have no right on the table itself
set search_path = ''
as $$
  select r.* from federation.federation_resources r order by r.name;
$$;
revoke all on function federation.list_resources() from public;
grant execute on function federation.list_resources() to federation_admin;
comment on function federation.list_resources() is 'Every registered resource, by name.';
