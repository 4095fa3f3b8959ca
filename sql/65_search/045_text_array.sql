-- Guarantees: a search reads declared text columns and nothing else.
create or replace function federation.text_array(columns name[]) returns text
language sql
immutable
set search_path = ''
as $$
  select format('array[%s]::text[]', string_agg(format('t.%I::text', c.name), ', ' order by c.n)) from unnest(columns) with ordinality as c (name, n);
$$;
revoke all on function federation.text_array(name[]) from public;
grant execute on function federation.text_array(name[]) to federation_peer, federation_user;
comment on function federation.text_array(name[]) is 'The text columns of the row alias t as an array expression.';
