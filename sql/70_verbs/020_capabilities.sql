-- Guarantees: a peer learns of the resources in its scope and their columns that may leave, and of no others.
create or replace function federation_api.capabilities() returns jsonb
language sql
stable
set search_path = ''
as $$
  select federation.describe_capabilities();
$$;
revoke all on function federation_api.capabilities() from public;
grant execute on function federation_api.capabilities() to federation_peer;
comment on function federation_api.capabilities() is 'Protocol version, verbs, resources with their columns, limits, end of the certificate, address of the CRL.';

create or replace function federation.describe_capabilities() returns jsonb
language sql
stable
security definer -- peers cannot read the catalogue of resources, their grant or their certificate
set search_path = ''
as $$
  select jsonb_build_object(
    'protocol', 1,
    'verbs', jsonb_build_array('capabilities', 'list', 'get', 'search'),
    'host', (select s.value from federation.federation_settings s where s.name = 'host'),
    'resources', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'name', r.name,
            'key', r.key_column,
            'searchable', cardinality(r.text_columns) > 0 or r.embedding_column is not null,
            'embeddingDimensions', r.embedding_dimensions,
            'columns', (
              select jsonb_agg(
                jsonb_build_object('name', c.name, 'type', c.type, 'nullable', c.is_nullable, 'comparable', c.kind <> 'opaque')
              )
              from federation.resource_columns(r.name) c
            )
          )
          order by r.name
        )
        from federation.federation_resources r
        where federation.scope_admits(r.name)
      ),
      '[]'
    ),
    'limits', jsonb_build_object('maxRowsPerQuery', federation.scope_cap(), 'maxBodyBytes', 65536),
    'certificateExpiresAt', (
      select c.not_after
      from federation.current_session() as s (session)
      join federation.federation_certificates c on c.serial = s.session ->> 'serial'
    ),
    'crl', (select s.value || '/crl' from federation.federation_settings s where s.name = 'public_url')
  )
  from federation.require_session_grant();
$$;
revoke all on function federation.describe_capabilities() from public;
grant execute on function federation.describe_capabilities() to federation_peer;
comment on function federation.describe_capabilities() is 'The answer of the verb capabilities. Raises MF001 to MF007.';
