-- Guarantees: what is remembered is given back to the same statement, at the same snapshot, of the same session, and to nobody who could have
-- written it; so it is what would be read again. Each statement reads anew, and sees what was committed before it.
-- Relies on: federation.mac; a transaction that has written nothing, since the snapshot tells of the writings of others alone.
create or replace function federation.as_of() returns text
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
stable
return case when pg_current_xact_id_if_assigned() is null then
  current_setting('federation.session', true) || pg_backend_pid() || encode(timestamptz_send(statement_timestamp()), 'hex')
    || pg_current_snapshot()
end;
revoke all on function federation.as_of() from public;
comment on function federation.as_of() is
  'What a stable function may read once and give again for: the session, the statement and the snapshot. Null where this transaction has written.';

create or replace function federation.snapshot_now() returns text
language sql -- as above
stable
return case when pg_current_xact_id_if_assigned() is null then pg_backend_pid() || ' ' || pg_current_snapshot() end;
revoke all on function federation.snapshot_now() from public;
comment on function federation.snapshot_now() is
  'What is the same as long as nothing was committed in the whole server, by this backend or another. Null where this transaction has written.';

create or replace function federation.sealed_facts(what text, as_of text, facts text) returns text
language sql -- as above
immutable
return what || ' ' || length(as_of) || ' ' || as_of || facts;
revoke all on function federation.sealed_facts(text, text, text) from public;
comment on function federation.sealed_facts(text, text, text) is 'What the code of remembered facts is over; it begins as no session does.';

create or replace function federation.recall(what text, as_of text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  facts text;
begin
  if current_setting(what || '_as_of', true) = as_of then
    facts := current_setting(what);
    if current_setting(what || '_code', true) = federation.mac('session', federation.sealed_facts(what, as_of, facts)) then
      return facts;
    end if;
  end if;
  return null;
end;
$$;
revoke all on function federation.recall(text, text) from public;
comment on function federation.recall(text, text) is 'What was remembered under this name as of now; null where nothing was.';

create or replace function federation.remember(what text, as_of text, facts text, beyond_transaction boolean default false) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  ignored text;
begin
  if as_of is not null then
    -- Assignments are evaluated at once; "perform" would be a query.
    ignored := set_config(what, facts, not beyond_transaction);
    ignored := set_config(what || '_as_of', as_of, not beyond_transaction);
    ignored := set_config(what || '_code', federation.mac('session', federation.sealed_facts(what, as_of, facts)), not beyond_transaction);
  end if;
end;
$$;
revoke all on function federation.remember(text, text, text, boolean) from public;
comment on function federation.remember(text, text, text, boolean) is 'Remembers facts as of now, with a code that nobody else can make.';
