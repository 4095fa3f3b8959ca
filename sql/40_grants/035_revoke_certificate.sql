-- Guarantees: a revoked certificate takes with it every certificate that was renewed from it or that its key enrolled for again, with what was renewed
-- from those, whoever has the keys, and the token by which that key could enroll once more; its grant goes on.
create or replace function federation.revoke_lineage(serial text, reason text, revoked_at timestamptz) returns setof text
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column
begin
  -- Whoever issues a certificate for the grant has its row, too: what is renewed at this moment is seen below, or refused.
  perform from federation.federation_grants g
  where g.id = (select c.grant_id from federation.federation_certificates c where c.serial = revoke_lineage.serial)
  for no key update;
  -- Who has the key of a certificate that enrolled may have the token, too, by which that key enrolls again.
  if reason <> 'superseded' then
    delete from federation.federation_enrollment_tokens t
    using federation.federation_certificates c
    where c.serial = revoke_lineage.serial and t.grant_id = c.grant_id and t.again_of = c.enrollment and t.used_at is null;
  end if;
  return query
  with recursive line as (
    select c.serial
    from federation.federation_certificates c
    join federation.federation_certificates r on r.serial = revoke_lineage.serial and r.grant_id = c.grant_id
    where c.serial = r.serial or (reason <> 'superseded' and c.enrollment = r.enrollment)
    union
    -- A successor is what superseding is for.
    select c.serial from federation.federation_certificates c join line on c.renewed_from = line.serial where reason <> 'superseded'
  )
  update federation.federation_certificates c
  set revoked_at = revoke_lineage.revoked_at, revocation_reason = reason
  from line
  where c.serial = line.serial and c.revoked_at is null
  returning c.serial;
end;
$$;
revoke all on function federation.revoke_lineage(text, text, timestamptz) from public;
comment on function federation.revoke_lineage(text, text, timestamptz) is
  'Revokes a certificate and, unless it is superseded, all that its key enrolled for again and all that descend from them; returns those that were not revoked before.';

create or replace function federation.revoke_certificate(serial text, reason text default 'unspecified') returns setof text
language plpgsql
volatile
security definer -- administrators change certificates through these functions only
set search_path = ''
as $$
begin
  -- The others say that the grant has ended, or that there is a successor: what ends a grant and what renews a certificate sets them.
  if reason is null or reason not in ('unspecified', 'keyCompromise', 'affiliationChanged') then
    raise exception 'A certificate is revoked for the reason unspecified, keyCompromise or affiliationChanged.'
      using errcode = 'MF012', detail = '{"path": "reason"}', hint = 'To end the whole grant: federation.revoke_grant.';
  end if;
  if not exists (select from federation.federation_certificates c where c.serial = revoke_certificate.serial) then
    raise exception 'There is no such certificate.' using errcode = 'MF011';
  end if;
  return query select * from federation.revoke_lineage(serial, reason, now());
end;
$$;
revoke all on function federation.revoke_certificate(text, text) from public;
grant execute on function federation.revoke_certificate(text, text) to federation_admin;
comment on function federation.revoke_certificate(text, text) is
  'Revokes a certificate, what its key enrolled for again, and all that descend from them, and returns their serials: none where all were revoked before. The grant goes on. '
  'Raises MF011, MF012.';
