-- Guarantees: another root of a peer is trusted only beside those that are known, and by who has verified that one of them leads to it.
create or replace function federation.peer_roots(owner_user_id text, host text) returns setof bytea
language sql
stable
security definer -- administrators have no right on the table
set search_path = ''
as $$
  select unnest(array[p.root_certificate_der] || p.trusted_roots_der)
  from federation.federation_peers p
  where p.owner_user_id = peer_roots.owner_user_id and p.host = peer_roots.host;
$$;
revoke all on function federation.peer_roots(text, text) from public;
grant execute on function federation.peer_roots(text, text) to federation_admin;
comment on function federation.peer_roots(text, text) is 'The roots that are trusted for a peer, the pinned one first; none where there is no such peer.';

create or replace function federation.trust_peer_root(owner_user_id text, host text, root_certificate_der bytea) returns void
language sql
volatile
security definer -- administrators write peers through these functions only
set search_path = ''
as $$
  update federation.federation_peers p
  set trusted_roots_der = p.trusted_roots_der || trust_peer_root.root_certificate_der, updated_at = now()
  where p.owner_user_id = trust_peer_root.owner_user_id and p.host = trust_peer_root.host
    and trust_peer_root.root_certificate_der <> all (p.root_certificate_der || p.trusted_roots_der);
$$;
revoke all on function federation.trust_peer_root(text, text, bytea) from public;
grant execute on function federation.trust_peer_root(text, text, bytea) to federation_admin;
comment on function federation.trust_peer_root(text, text, bytea) is 'Trusts a further root of a peer: one that certificates of its have been led to from a root that was trusted.';
