-- Guarantees: a certificate whose successor its owner confirmed is good for an hour more and no longer, whether a worker runs or not. What puts it on
-- the CRL after that (federation.supersede_certificates) takes the hour from here.
create or replace function federation.certificate_overlap() returns interval
language sql
immutable
set search_path = ''
as $$
  select interval '1 hour';
$$;
revoke all on function federation.certificate_overlap() from public;
grant execute on function federation.certificate_overlap() to federation_worker, federation_admin;
comment on function federation.certificate_overlap() is 'How long a certificate is good beside its successor, from when that was confirmed.';

create or replace view federation.certificate_ends as
select c.serial, c.grant_id, c.fingerprint, c.revoked_at, least(c.not_after, n.superseded_at) as ends_at
from federation.federation_certificates c
cross join lateral (
  select min(n.confirmed_at) + federation.certificate_overlap() as superseded_at
  from federation.federation_certificates n
  where n.renewed_from = c.serial
) as n;
revoke all on federation.certificate_ends from public;
comment on view federation.certificate_ends is
  'Until when each certificate is good, unless it is revoked: its own end, or that of the overlap with a successor that was confirmed.';

create or replace view federation.good_certificates as
select c.*
from federation.federation_certificates c
join federation.certificate_ends e on e.serial = c.serial
where c.revoked_at is null and e.ends_at > statement_timestamp();
revoke all on federation.good_certificates from public;
comment on view federation.good_certificates is 'Certificates that are good at this statement: not revoked, not past their end, and superseded no longer than the overlap ago.';
