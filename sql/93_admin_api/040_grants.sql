-- Guarantees: a grant changes by the admin functions that psql and the command call, and only where the person of the transaction may; a scope that lets out more
-- is saved only where whoever saves it says that it shall.
create or replace function admin_api.create_grant(subject text, peer_host text, scope jsonb, expires_at timestamptz default null) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  made record;
begin
  perform federation.require_administrator();
  select c.* into strict made
  from federation.create_grant(create_grant.subject, create_grant.peer_host, create_grant.scope, create_grant.expires_at) c;
  return jsonb_build_object(
    'grant', federation.shown_grant(made.grant_id), 'enrollmentUrl', made.enrollment_url, 'urlExpiresAt', federation.shown_time(made.token_expires_at)
  );
end;
$$;
revoke all on function admin_api.create_grant(text, text, jsonb, timestamptz) from public;
grant execute on function admin_api.create_grant(text, text, jsonb, timestamptz) to federation_pages;
comment on function admin_api.create_grant(text, text, jsonb, timestamptz) is
  'federation.create_grant, for an administrator; the URL is told this once. Raises MF012, MF020, MF021, MF023, MF040, MF041.';

create or replace function admin_api.create_enrollment_url(grant_id uuid) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  made record;
begin
  perform federation.require_administrator();
  select c.* into strict made from federation.create_enrollment_token(create_enrollment_url.grant_id) c;
  perform federation.audit_person('grant.enrollment_url_made', grant_id);
  return jsonb_build_object(
    'grant', federation.shown_grant(grant_id), 'enrollmentUrl', made.enrollment_url, 'urlExpiresAt', federation.shown_time(made.token_expires_at)
  );
end;
$$;
revoke all on function admin_api.create_enrollment_url(uuid) from public;
grant execute on function admin_api.create_enrollment_url(uuid) to federation_pages;
comment on function admin_api.create_enrollment_url(uuid) is 'federation.create_enrollment_token, for an administrator. Raises MF011, MF021, MF031, MF040, MF041.';

create or replace function admin_api.update_scope(grant_id uuid, scope jsonb, expected_scope jsonb, confirm_widening boolean default false) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  before jsonb;
  widened text[];
begin
  perform federation.require_administrator();
  perform federation.check_scope(update_scope.scope);
  -- Locked: what is compared is what is replaced.
  select g.scope into before from federation.federation_grants g where g.id = update_scope.grant_id for no key update;
  if not found then
    raise exception 'There is no such grant.' using errcode = 'MF011';
  end if;
  if before is distinct from expected_scope then
    raise exception 'The scope was changed meanwhile: look at it again.' using errcode = 'MF031';
  end if;
  widened := federation.scope_widenings(before, update_scope.scope);
  if cardinality(widened) > 0 and not coalesce(confirm_widening, false) then
    raise exception 'The scope lets out more than before, by %: confirm that it shall.', array_to_string(widened, ', ') using errcode = 'MF042';
  end if;
  perform federation.update_grant(update_scope.grant_id, update_scope.scope);
  return federation.shown_grant(grant_id);
end;
$$;
revoke all on function admin_api.update_scope(uuid, jsonb, jsonb, boolean) from public;
grant execute on function admin_api.update_scope(uuid, jsonb, jsonb, boolean) to federation_pages;
comment on function admin_api.update_scope(uuid, jsonb, jsonb, boolean) is
  'federation.update_grant, for an administrator who has confirmed what widens over the scope that was shown to them. Raises MF011, MF020, MF031, MF040, MF041, MF042.';

create or replace function admin_api.preview_scope(grant_id uuid, scope jsonb) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return federation.preview_scope(grant_id, scope);
end;
$$;
revoke all on function admin_api.preview_scope(uuid, jsonb) from public;
grant execute on function admin_api.preview_scope(uuid, jsonb) to federation_pages;
comment on function admin_api.preview_scope(uuid, jsonb) is 'federation.preview_scope, for an administrator. Raises MF011, MF020, MF040, MF041.';

create or replace function admin_api.preview_grant(subject text, scope jsonb) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  return federation.preview_grant(subject, scope);
end;
$$;
revoke all on function admin_api.preview_grant(text, jsonb) from public;
grant execute on function admin_api.preview_grant(text, jsonb) to federation_pages;
comment on function admin_api.preview_grant(text, jsonb) is 'federation.preview_grant, for an administrator. Raises MF020, MF021, MF023, MF040, MF041.';

create or replace function admin_api.suspend_grant(grant_id uuid) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  perform federation.suspend_grant(grant_id);
  return federation.shown_grant(grant_id);
end;
$$;
revoke all on function admin_api.suspend_grant(uuid) from public;
grant execute on function admin_api.suspend_grant(uuid) to federation_pages;
comment on function admin_api.suspend_grant(uuid) is 'federation.suspend_grant, for an administrator. Raises MF011, MF031, MF040, MF041.';

create or replace function admin_api.resume_grant(grant_id uuid) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.require_administrator();
  perform federation.resume_grant(grant_id);
  return federation.shown_grant(grant_id);
end;
$$;
revoke all on function admin_api.resume_grant(uuid) from public;
grant execute on function admin_api.resume_grant(uuid) to federation_pages;
comment on function admin_api.resume_grant(uuid) is 'federation.resume_grant, for an administrator. Raises MF011, MF031, MF040, MF041.';

create or replace function admin_api.revoke_grant(grant_id uuid, reason text) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
begin
  perform federation.shown_grant(grant_id);
  if length(btrim(coalesce(reason, ''))) not between 1 and 500 then
    raise exception 'A reason has 1 to 500 characters.' using errcode = 'MF012', detail = '{"path": "reason"}';
  end if;
  perform federation.revoke_grant(grant_id, btrim(reason));
  return federation.shown_grant(grant_id);
end;
$$;
revoke all on function admin_api.revoke_grant(uuid, text) from public;
grant execute on function admin_api.revoke_grant(uuid, text) to federation_pages;
comment on function admin_api.revoke_grant(uuid, text) is 'federation.revoke_grant, for an administrator or the subject of the grant. Raises MF011, MF012, MF040.';

create or replace function admin_api.explain(
  grant_id uuid, resource text, id text default null, filter jsonb default null, most integer default 20
) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  person constant jsonb := federation.require_person();
begin
  if (person ->> 'administrator')::boolean then
    -- No row is read by the rights of a login: nobody has one here.
    return federation.explain_as_administrator(grant_id, resource, id, filter, coalesce(most, 20), null);
  end if;
  return federation.explain_for_user(person ->> 'user', grant_id, resource, id, filter, coalesce(most, 20));
end;
$$;
revoke all on function admin_api.explain(uuid, text, text, jsonb, integer) from public;
grant execute on function admin_api.explain(uuid, text, text, jsonb, integer) to federation_pages;
comment on function admin_api.explain(uuid, text, text, jsonb, integer) is
  'federation.explain, for an administrator, or federation.explain_for_user, for the subject of the grant. Raises MF011, MF012, MF040.';

create or replace function admin_api.visible(grant_id uuid, samples integer default 3) returns jsonb
language plpgsql
volatile
security definer -- the pages have no right to call admin functions
set search_path = ''
as $$
declare
  person constant jsonb := federation.require_person();
begin
  if (person ->> 'administrator')::boolean then
    return federation.visible(grant_id, null, coalesce(samples, 3));
  end if;
  return federation.visible_for_user(person ->> 'user', grant_id, coalesce(samples, 3));
end;
$$;
revoke all on function admin_api.visible(uuid, integer) from public;
grant execute on function admin_api.visible(uuid, integer) to federation_pages;
comment on function admin_api.visible(uuid, integer) is
  'federation.visible, for an administrator, or federation.visible_for_user, for the subject of the grant. Raises MF011, MF012, MF040.';
