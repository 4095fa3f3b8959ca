-- Guarantees: a peer is renewed and removed by an administrator or by the user whose it is.
create or replace function admin_api.peer(id uuid) returns jsonb
language sql
stable
security definer -- the pages have no right on the tables
set search_path = ''
as $$
  select federation.shown_peer(id);
$$;
revoke all on function admin_api.peer(uuid) from public;
grant execute on function admin_api.peer(uuid) to federation_pages;
comment on function admin_api.peer(uuid) is 'A peer that the person may see. Raises MF011, MF040.';

create or replace function admin_api.request_renewal(id uuid) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right on the tables
set search_path = ''
as $$
declare
  peer constant jsonb := federation.shown_peer(id);
begin
  if peer ->> 'state' = 'revoked' then
    raise exception 'The peer has ended the grant: another enrollment URL is needed.' using errcode = 'MF031';
  end if;
  perform federation.audit_person('peer.renewal_requested', null, jsonb_build_object('host', peer -> 'host', 'user', peer -> 'user'));
  return peer;
end;
$$;
revoke all on function admin_api.request_renewal(uuid) from public;
grant execute on function admin_api.request_renewal(uuid) to federation_pages;
comment on function admin_api.request_renewal(uuid) is
  'Whether the person may have the certificate for a peer renewed, which the gateway then does; who asked is in the audit log. Raises MF011, MF031, MF040.';

create or replace function admin_api.remove_peer(id uuid) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  peer constant jsonb := federation.shown_peer(id);
begin
  perform federation.remove_peer(peer ->> 'user', peer ->> 'host');
  return peer -> 'id';
end;
$$;
revoke all on function admin_api.remove_peer(uuid) from public;
grant execute on function admin_api.remove_peer(uuid) to federation_pages;
comment on function admin_api.remove_peer(uuid) is 'federation.remove_peer, for an administrator or the user whose peer it is. Raises MF011, MF040.';
