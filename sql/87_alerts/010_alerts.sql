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

create or replace function federation.count_alerts() returns table (code text, severity text, alerts bigint)
language sql
stable
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  select a.code, a.severity, count(*) from federation.federation_alerts a where a.resolved_at is null group by a.code, a.severity;
$$;
revoke all on function federation.count_alerts() from public;
grant execute on function federation.count_alerts() to federation_gateway, federation_admin;
comment on function federation.count_alerts() is 'How many conditions are open, by code and severity; whom they are about is left out.';

create or replace function federation.undelivered_alerts()
returns table (id bigint, at timestamptz, severity text, code text, subject text, message text)
language sql
stable
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  -- Who names a webhook today is told of what is open, and not of what was over long ago.
  select a.id, a.at, a.severity, a.code, a.subject, a.message
  from federation.federation_alerts a
  where a.delivered_at is null and (a.resolved_at is null or a.resolved_at > now() - interval '1 day')
  order by a.id
  -- Those that the webhook refuses again and again stay at the head.
  limit 1000;
$$;
revoke all on function federation.undelivered_alerts() from public;
grant execute on function federation.undelivered_alerts() to federation_worker, federation_admin;
comment on function federation.undelivered_alerts() is 'What the webhook has not been told, the oldest first.';

create or replace function federation.mark_alert_delivered(id bigint) returns void
language sql
volatile
security definer -- nobody but these functions has a right on the table
set search_path = ''
as $$
  update federation.federation_alerts a set delivered_at = clock_timestamp() where a.id = mark_alert_delivered.id and a.delivered_at is null;
$$;
revoke all on function federation.mark_alert_delivered(bigint) from public;
grant execute on function federation.mark_alert_delivered(bigint) to federation_worker, federation_admin;
comment on function federation.mark_alert_delivered(bigint) is 'The webhook took it.';
