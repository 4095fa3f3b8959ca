-- Guarantees: a peer is written whole, key sealed, and found only by the user whose it is; no other authority takes its name over.
create or replace function federation.add_peer(
  id uuid, owner_user_id text, host text, federation_url text, public_url text, grant_id uuid, root_certificate_der bytea,
  certificate_chain_der bytea[], certificate_serial text, certificate_not_after timestamptz, sealed_key bytea
) returns void
language plpgsql
volatile
security definer -- administrators write peers through this function only
set search_path = ''
as $$
begin
  if not coalesce(federation.subject_exists(add_peer.owner_user_id), false) then
    raise exception 'There is no such user.' using errcode = 'MF021', detail = '{"path": "owner_user_id"}';
  end if;
  insert into federation.federation_peers as p (
    id, owner_user_id, host, federation_url, public_url, grant_id, root_certificate_der, certificate_chain_der, certificate_serial,
    certificate_not_after, sealed_key
  )
  values (
    add_peer.id, add_peer.owner_user_id, add_peer.host, add_peer.federation_url, add_peer.public_url, add_peer.grant_id,
    add_peer.root_certificate_der, add_peer.certificate_chain_der, add_peer.certificate_serial, add_peer.certificate_not_after,
    add_peer.sealed_key
  )
  on conflict on constraint federation_peers_owner_user_id_host_key do update
  set
    id = excluded.id, federation_url = excluded.federation_url, public_url = excluded.public_url, grant_id = excluded.grant_id,
    root_certificate_der = excluded.root_certificate_der, certificate_chain_der = excluded.certificate_chain_der,
    certificate_serial = excluded.certificate_serial, certificate_not_after = excluded.certificate_not_after,
    sealed_key = excluded.sealed_key, state = 'active', trusted_roots_der = '{}', renewal_failures = 0, renewal_failed_at = null,
    renewal_failure_code = null, ended_because = null, updated_at = now()
  where excluded.root_certificate_der = any (p.root_certificate_der || p.trusted_roots_der);
  -- Any gateway can call itself by any host: the first that the user enrolled with under a name keeps it.
  if not found then
    raise exception 'The user has a peer of this host already, of another certificate authority.'
      using errcode = 'MF031', hint = 'If the host has a new authority, remove the peer first: select federation.remove_peer(user, host).';
  end if;
  perform federation.resolve_renewal_alerts(add_peer.host, add_peer.owner_user_id);
end;
$$;
revoke all on function federation.add_peer(uuid, text, text, text, text, uuid, bytea, bytea[], text, timestamptz, bytea) from public;
grant execute on function federation.add_peer(uuid, text, text, text, text, uuid, bytea, bytea[], text, timestamptz, bytea) to federation_admin;
comment on function federation.add_peer(uuid, text, text, text, text, uuid, bytea, bytea[], text, timestamptz, bytea) is
  'Stores a peer that a local user enrolled with; an earlier one of the same user, host and authority is replaced. Raises MF021, MF031.';

create or replace function federation.list_peers()
returns table (
  id uuid, owner_user_id text, host text, state text, federation_url text, public_url text, grant_id uuid, certificate_serial text,
  certificate_not_after timestamptz, created_at timestamptz, updated_at timestamptz, renewal_failures integer, renewal_failed_at timestamptz,
  renewal_failure_code text, ended_because text
)
language sql
stable
security definer -- administrators read peers through this function only
set search_path = ''
as $$
  select
    p.id, p.owner_user_id, p.host, p.state, p.federation_url, p.public_url, p.grant_id, p.certificate_serial, p.certificate_not_after,
    p.created_at, p.updated_at, p.renewal_failures, p.renewal_failed_at, p.renewal_failure_code, p.ended_because
  from federation.federation_peers p
  order by p.owner_user_id, p.host;
$$;
revoke all on function federation.list_peers() from public;
grant execute on function federation.list_peers() to federation_admin;
comment on function federation.list_peers() is 'Every peer of every local user, without its key.';

create or replace function federation.remove_peer(owner_user_id text, host text) returns void
language plpgsql
volatile
security definer -- administrators write peers through this function only
set search_path = ''
as $$
begin
  delete from federation.federation_peers p where p.owner_user_id = remove_peer.owner_user_id and p.host = remove_peer.host;
  if not found then
    raise exception 'There is no such peer.' using errcode = 'MF011';
  end if;
  perform federation.resolve_renewal_alerts(remove_peer.host, remove_peer.owner_user_id);
end;
$$;
revoke all on function federation.remove_peer(text, text) from public;
grant execute on function federation.remove_peer(text, text) to federation_admin;
comment on function federation.remove_peer(text, text) is 'Forgets a peer, its certificate and its key. Raises MF011.';

create or replace function federation.peers_of_current_user()
returns setof federation.federation_peers
language sql
stable
security definer -- users have no right on the table; they see their own rows here
set search_path = ''
as $$
  select p.*
  from federation.federation_peers p
  join federation.current_session() as s (session) on s.session ->> 'kind' = 'user' and p.owner_user_id = s.session ->> 'user'
  order by p.host;
$$;
revoke all on function federation.peers_of_current_user() from public;
grant execute on function federation.peers_of_current_user() to federation_user;
comment on function federation.peers_of_current_user() is 'The peers of the local user of this session, with their sealed keys, for the gateway to open connections with.';

create or replace function federation.holder_of_token(token text)
returns table (user_id text, peer federation.federation_peers)
language plpgsql -- whose plan is kept: each request of a local user asks
stable strict
security definer -- the gateway has no right on tokens and peers
set search_path = ''
as $$
declare
  holder constant text := federation.user_of_token(token);
begin
  return query
    select holder, p
    from (select holder) as h (id)
    left join federation.federation_peers p on p.owner_user_id = h.id
    where h.id is not null;
end;
$$;
revoke all on function federation.holder_of_token(text) from public;
grant execute on function federation.holder_of_token(text) to federation_gateway;
comment on function federation.holder_of_token(text) is
  'The local user of a live bearer token with each of their peers, one row with none where they have none; no row where the token is none.';

create or replace function federation.set_peer_state(peer_id uuid, serial text, state text) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  -- Only under the certificate that the news was about: a peer that enrolled again in between stays as it is. And an ended grant stays ended.
  update federation.federation_peers p
  set state = set_peer_state.state, updated_at = now()
  where p.id = peer_id
    and p.certificate_serial = serial
    and p.state not in ('revoked', set_peer_state.state)
    -- That it answers verbs says nothing of whether its certificate can be renewed.
    and not (set_peer_state.state = 'active' and p.renewal_failures > 0);
$$;
revoke all on function federation.set_peer_state(uuid, text, text) from public;
grant execute on function federation.set_peer_state(uuid, text, text) to federation_gateway;
comment on function federation.set_peer_state(uuid, text, text) is 'Writes what the gateway learnt of a peer when it last asked it.';

create or replace function federation.set_peer_cache(owner_user_id text, host text, ttl_seconds integer) returns void
language plpgsql
volatile
security definer -- administrators write peers through these functions only
set search_path = ''
as $$
begin
  if ttl_seconds not between 0 and 3600 then
    raise exception 'An answer is good for 0 to 3600 seconds.' using errcode = 'MF012', detail = '{"path": "ttl_seconds"}';
  end if;
  update federation.federation_peers p
  set cache_ttl_seconds = ttl_seconds, updated_at = now()
  where p.owner_user_id = set_peer_cache.owner_user_id and p.host = set_peer_cache.host;
  if not found then
    raise exception 'There is no such peer.' using errcode = 'MF011';
  end if;
end;
$$;
revoke all on function federation.set_peer_cache(text, text, integer) from public;
grant execute on function federation.set_peer_cache(text, text, integer) to federation_admin;
comment on function federation.set_peer_cache(text, text, integer) is
  'How long a peer''s answers to list and get are good, seconds: 0 keeps none, null is what the gateway says. Raises MF011, MF012.';
