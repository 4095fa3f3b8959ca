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

create or replace view federation.good_certificates as
select c.*
from federation.federation_certificates c
where c.revoked_at is null
  and c.not_after > statement_timestamp()
  and not exists (
    select from federation.federation_certificates n
    where n.renewed_from = c.serial and n.confirmed_at <= statement_timestamp() - federation.certificate_overlap()
  );
revoke all on federation.good_certificates from public;
comment on view federation.good_certificates is 'Certificates that are good at this statement: not revoked, not past their end, and superseded no longer than the overlap ago.';
