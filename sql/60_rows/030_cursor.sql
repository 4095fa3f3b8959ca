-- Guarantees: a cursor is of use only where it was made: for this session's grant or user, this resource, filter and order. It can be
-- neither forged nor read for more than the position of a row the caller was shown.
create or replace function federation.cursor_context(resource text, filter jsonb, "order" jsonb) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  session constant jsonb := federation.current_session();
begin
  return case when session is not null then
    jsonb_build_array(
      session ->> 'kind', coalesce(session ->> 'grant', session ->> 'user'), resource, coalesce(filter, 'null'), coalesce("order", 'null')
    )::text
  end;
end;
$$;
revoke all on function federation.cursor_context(text, jsonb, jsonb) from public;
comment on function federation.cursor_context(text, jsonb, jsonb) is 'What a cursor is bound to; null where no session is open.';

create or replace function federation.encode_cursor(resource text, filter jsonb, "order" jsonb, keyset text[]) returns text
language plpgsql
stable
security definer -- makes the cursor's code with a key that peers cannot read
set search_path = ''
as $$
declare
  payload constant text := array_to_json(keyset);
begin
  return translate(
    encode(convert_to(federation.mac('cursor', federation.cursor_context(resource, filter, "order") || payload) || payload, 'UTF8'), 'base64'),
    E'+/=\n', '-_'
  );
end;
$$;
revoke all on function federation.encode_cursor(text, jsonb, jsonb, text[]) from public;
grant execute on function federation.encode_cursor(text, jsonb, jsonb, text[]) to federation_peer, federation_user;
comment on function federation.encode_cursor(text, jsonb, jsonb, text[]) is 'A signed cursor for the position of a row.';

create or replace function federation.decode_cursor(resource text, filter jsonb, "order" jsonb, cursor text) returns text[]
language plpgsql
stable
security definer -- checks the cursor's code with a key that peers cannot read
set search_path = ''
as $$
declare
  signed text;
  payload text;
begin
  if length(cursor) > 8192 or cursor !~ '^[A-Za-z0-9_-]+$' then
    raise exception 'The cursor is not one of this query.' using errcode = 'MF012', detail = '{"path": "after"}';
  end if;
  signed := convert_from(
    decode(translate(cursor, '-_', '+/') || repeat('=', (4 - length(cursor) % 4) % 4), 'base64'), 'UTF8'
  );
  payload := substr(signed, 65);
  if left(signed, 64) is distinct from federation.mac('cursor', federation.cursor_context(resource, filter, "order") || payload) then
    raise exception 'The cursor is not one of this query.' using errcode = 'MF012', detail = '{"path": "after"}';
  end if;
  return array(select e.item from json_array_elements_text(payload::json) with ordinality as e (item, n) order by e.n);
exception
  when data_exception then
    raise exception 'The cursor is not one of this query.' using errcode = 'MF012', detail = '{"path": "after"}';
end;
$$;
revoke all on function federation.decode_cursor(text, jsonb, jsonb, text) from public;
grant execute on function federation.decode_cursor(text, jsonb, jsonb, text) to federation_peer, federation_user;
comment on function federation.decode_cursor(text, jsonb, jsonb, text) is 'The position that a cursor holds. Raises MF012 for a cursor of another query, grant or maker.';
