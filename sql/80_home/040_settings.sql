-- Guarantees: what SQL says of this gateway (its host, its addresses) is what the gateway published at its start.
create or replace function federation.publish_settings(settings jsonb) returns void
language sql
volatile
security definer -- the gateway has no right on the table
set search_path = ''
as $$
  insert into federation.federation_settings as s (name, value)
  select e.key, e.value from jsonb_each_text(settings) as e
  on conflict (name) do update set value = excluded.value, updated_at = now()
  where s.value is distinct from excluded.value;
$$;
revoke all on function federation.publish_settings(jsonb) from public;
grant execute on function federation.publish_settings(jsonb) to federation_gateway, federation_admin;
comment on function federation.publish_settings(jsonb) is 'Writes the host and URLs of this gateway.';
