-- Guarantees: a condition stands in the list once, from when it was first seen until it is resolved.
create or replace function federation.raise_alert(severity text, code text, subject text, message text) returns void
language sql
volatile
security definer -- nobody but this has a right on the table
set search_path = ''
as $$
  insert into federation.federation_alerts (severity, code, subject, message)
  values (raise_alert.severity, raise_alert.code, raise_alert.subject, raise_alert.message)
  on conflict (code, subject) where resolved_at is null do nothing;
$$;
revoke all on function federation.raise_alert(text, text, text, text) from public;
grant execute on function federation.raise_alert(text, text, text, text) to federation_gateway, federation_worker;
comment on function federation.raise_alert(text, text, text, text) is
  'Puts a condition into the list of what an administrator should look at; severity is warning or critical.';

create or replace function federation.resolve_alert(code text, subject text) returns void
language sql
volatile
security definer -- nobody but this has a right on the table
set search_path = ''
as $$
  update federation.federation_alerts a
  set resolved_at = clock_timestamp()
  where a.code = resolve_alert.code and a.subject = resolve_alert.subject and a.resolved_at is null;
$$;
revoke all on function federation.resolve_alert(text, text) from public;
grant execute on function federation.resolve_alert(text, text) to federation_gateway, federation_worker, federation_admin;
comment on function federation.resolve_alert(text, text) is 'Says that a condition is over.';

create or replace function federation.list_alerts(include_resolved boolean default false) returns setof federation.federation_alerts
language sql
stable
security definer -- administrators read alerts through this function only
set search_path = ''
as $$
  select a.* from federation.federation_alerts a where include_resolved or a.resolved_at is null order by a.at desc, a.id desc limit 1000;
$$;
revoke all on function federation.list_alerts(boolean) from public;
grant execute on function federation.list_alerts(boolean) to federation_admin;
comment on function federation.list_alerts(boolean) is 'What an administrator should look at, newest first; with what is over where that is asked for.';
