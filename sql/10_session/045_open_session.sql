-- Guarantees: the session setting holds for this transaction only and carries a code that nobody else can make.
create or replace function federation.open_session(session jsonb) returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  payload constant text := session || jsonb_build_object('stamp', federation.session_stamp());
  -- An assignment is evaluated at once; "perform" would be a query, of each request.
  ignored constant text := set_config('federation.session', federation.mac('session', payload) || payload, true);
begin
end;
$$;
revoke all on function federation.open_session(jsonb) from public;
comment on function federation.open_session(jsonb) is 'Writes the session setting, with its code, for the rest of the transaction.';

create or replace function federation.require_status_active(status text, expires_at timestamptz) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if status = 'revoked' then
    raise exception 'The grant has been revoked.' using errcode = 'MF005';
  elsif status = 'expired' or expires_at <= statement_timestamp() then
    raise exception 'The grant has expired.' using errcode = 'MF006';
  elsif status = 'suspended' then
    raise exception 'The grant is suspended.' using errcode = 'MF004';
  elsif status <> 'active' then
    raise exception 'The grant is not active yet.' using errcode = 'MF003';
  end if;
end;
$$;
revoke all on function federation.require_status_active(text, timestamptz) from public;
comment on function federation.require_status_active(text, timestamptz) is 'Raises MF003 to MF006 unless a grant of this status and end is active now.';
