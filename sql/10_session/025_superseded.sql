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

create or replace function federation.is_superseded(serial text) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from federation.federation_certificates n
    where n.renewed_from = is_superseded.serial and n.confirmed_at <= statement_timestamp() - federation.certificate_overlap()
  );
$$;
revoke all on function federation.is_superseded(text) from public;
comment on function federation.is_superseded(text) is 'Whether the successor of a certificate was confirmed so long ago that it is good no more.';
