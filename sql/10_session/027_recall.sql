-- Guarantees: what is remembered is given back as of the same state only, of the same session, and to nobody who could have written it; so it is what
-- would be read again. A statement that sees what was committed since reads anew.
-- Relies on: federation.mac; a transaction that has written nothing, since the snapshot tells of the writings of others alone.
create or replace function federation.as_of() returns text
language sql -- of the standard's form, whose names are bound here: it needs no path, and becomes part of whichever function calls it
stable
return case when pg_current_xact_id_if_assigned() is null then
  federation.session_stamp() || ' ' || pg_current_snapshot() || ' ' || current_setting('federation.session', true)
end;
revoke all on function federation.as_of() from public;
comment on function federation.as_of() is
  'As of what a session reads: its whole setting, this transaction, whatever that setting says of one, and the snapshot, which is the same as long as nothing '
  'was committed in the whole server. Null where this transaction has written.';

-- Of an earlier release.
drop function if exists federation.sealed_facts(text, text, text);
drop function if exists federation.snapshot_now();

create or replace function federation.as_of_statement() returns text
language sql -- as above
stable
return federation.as_of() || encode(timestamptz_send(statement_timestamp()), 'hex');
revoke all on function federation.as_of_statement() from public;
comment on function federation.as_of_statement() is 'The same, of one statement: for what holds as long as a grant does, which can end while nothing is committed.';

create or replace function federation.facts_head(what text, as_of text) returns text
language sql -- as above
immutable
return what || ' ' || length(as_of)::text || ' ' || as_of;
revoke all on function federation.facts_head(text, text) from public;
comment on function federation.facts_head(text, text) is 'What stands before remembered facts, under the same code; it begins as no session does.';

create or replace function federation.recall(what text, as_of text) returns text
language sql -- as above
stable
return case
  -- Often there is nothing, or something of another state.
  when starts_with(current_setting(what, true), federation.facts_head(what, as_of))
    and right(current_setting(what, true), 64) = federation.mac('session', left(current_setting(what, true), -64))
    then substr(left(current_setting(what, true), -64), length(federation.facts_head(what, as_of)) + 1)
end;
revoke all on function federation.recall(text, text) from public;
comment on function federation.recall(text, text) is 'What was remembered under this name as of now; null where nothing was.';

create or replace function federation.remember(what text, as_of text, facts text, beyond_transaction boolean default false) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  sealed constant text := federation.facts_head(what, as_of) || facts;
  ignored text;
begin
  if sealed is not null then
    -- An assignment is evaluated at once; "perform" would be a query.
    ignored := set_config(what, sealed || federation.mac('session', sealed), not beyond_transaction);
  end if;
end;
$$;
revoke all on function federation.remember(text, text, text, boolean) from public;
comment on function federation.remember(text, text, text, boolean) is 'Remembers facts as of now, with a code that nobody else can make.';
