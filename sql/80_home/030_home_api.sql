-- Guarantees: a local user sees their own peers and the grants in which they are the subject, and of nobody else's.
create or replace function federation.health_of_my_peers()
returns table (
  peer_id uuid, circuit text, last_success_at timestamptz, last_failure_at timestamptz, last_failure_code text, offline_since timestamptz
)
language sql
stable
security definer -- users have no right on what gateways say; they see what is said of their own peers here
set search_path = ''
as $$
  select h.peer_id, h.circuit, h.last_success_at, h.last_failure_at, h.last_failure_code, h.offline_since
  from federation.peer_health() h
  join federation.peers_of_current_user() p on p.id = h.peer_id;
$$;
revoke all on function federation.health_of_my_peers() from public;
grant execute on function federation.health_of_my_peers() to federation_user;
comment on function federation.health_of_my_peers() is 'How the peers of the local user of this session did when they were last asked.';

create or replace view home_api.peers with (security_barrier) as
select
  p.id, p.host, p.state, p.certificate_not_after, p.created_at, p.cache_ttl_seconds, h.circuit, h.last_success_at, h.last_failure_at,
  h.last_failure_code, h.offline_since, p.renewal_failed_at, p.renewal_failure_code
from federation.peers_of_current_user() p
left join federation.health_of_my_peers() h on h.peer_id = p.id;
revoke all on home_api.peers from public;
grant select on home_api.peers to federation_user;
comment on view home_api.peers is E'@name peer\n@primaryKey id\nThe remote gateways that the user enrolled with.';

create or replace function federation.grants_of_current_user()
returns setof federation.federation_grants
language sql
stable
security definer -- users have no right on the table; they see their own rows here
set search_path = ''
as $$
  select g.*
  from federation.federation_grants g
  join federation.current_session() as s (session) on s.session ->> 'kind' = 'user' and g.subject_user_id = s.session ->> 'user'
  order by g.created_at desc;
$$;
revoke all on function federation.grants_of_current_user() from public;
grant execute on function federation.grants_of_current_user() to federation_user;
comment on function federation.grants_of_current_user() is 'The grants that speak for the local user of this session.';

create or replace view home_api.grants with (security_barrier) as
select g.id, g.peer_host, g.status, g.scope, g.created_at, g.activated_at, g.expires_at, g.ended_at, g.end_reason
from federation.grants_of_current_user() g;
revoke all on home_api.grants from public;
grant select on home_api.grants to federation_user;
comment on view home_api.grants is E'@name grant\n@primaryKey id\nThe grants by which peers read what the user may see.';

create or replace function federation.resource_catalogue()
returns table (name text, key_column text, columns jsonb)
language sql
stable
security definer -- users have no right on the table
set search_path = ''
as $$
  select
    r.name, r.key_column::text,
    (select jsonb_agg(jsonb_build_object('name', c.name, 'type', c.type, 'nullable', c.is_nullable)) from federation.resource_columns(r.name) c)
  from federation.federation_resources r
  order by r.name;
$$;
revoke all on function federation.resource_catalogue() from public;
grant execute on function federation.resource_catalogue() to federation_user;
comment on function federation.resource_catalogue() is 'The registered resources and their columns that may leave.';

create or replace view home_api.resources with (security_barrier) as
select r.name, r.key_column, r.columns
from federation.resource_catalogue() r;
revoke all on home_api.resources from public;
grant select on home_api.resources to federation_user;
comment on view home_api.resources is E'@name resource\n@primaryKey name\nThe resources of this gateway.';
