-- Guarantees: a search reads declared text columns of a table that is still protected, and nothing else.
create or replace function federation.require_protected(resource text) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if not coalesce((select d.is_protected from federation.describe_resource(resource) d), false) then
    raise exception 'The resource is not available for now.' using errcode = 'MF013';
  end if;
end;
$$;
revoke all on function federation.require_protected(text) from public;
grant execute on function federation.require_protected(text) to federation_peer, federation_user;
comment on function federation.require_protected(text) is 'Raises MF013 where row-level security or the scope policy was taken from a table.';

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
