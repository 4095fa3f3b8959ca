-- Guarantees: policies that an application brought along see the subject in the settings they read, for this transaction only.
-- Relies on: federation_resources.identity_settings, checked by federation.check_identity_settings at registration.
create or replace function federation.assume_identity(subject text) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  setting record;
begin
  for setting in
    select distinct s.key, s.value
    from federation.federation_resources r
    cross join lateral jsonb_each(r.identity_settings -> 'settings') as s
  loop
    perform set_config(
      setting.key,
      case jsonb_typeof(setting.value)
        when 'string' then replace(setting.value #>> '{}', '{subject}', subject)
        else replace(setting.value::text, '"{subject}"', to_jsonb(subject)::text)
      end,
      true
    );
  end loop;
end;
$$;
revoke all on function federation.assume_identity(text) from public;
comment on function federation.assume_identity(text) is 'Writes the identity settings of every resource, "{subject}" replaced, for the rest of the transaction.';
