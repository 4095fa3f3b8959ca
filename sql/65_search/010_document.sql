-- Guarantees: the words of a row are the same whether they are kept beforehand or told at the time of a search; no text, however long or
-- odd, makes an application's own write fail.
create or replace function federation.search_config_of(config text) returns regconfig
language sql
stable
set search_path = ''
as $$
  -- One that was dropped since must not stop whoever writes to the table.
  select coalesce(
    (
      select c.oid::regconfig
      from pg_catalog.pg_ts_config c
      join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
      where c.cfgname = split_part(config, '.', 2) and n.nspname = split_part(config, '.', 1)
    ),
    'pg_catalog.simple'
  );
$$;
revoke all on function federation.search_config_of(text) from public;
grant execute on function federation.search_config_of(text) to federation_peer, federation_user;
comment on function federation.search_config_of(text) is 'A text search configuration by its schema and name; simple where there is none of that name.';

create or replace function federation.search_document(config regconfig, texts text[]) returns tsvector
language plpgsql
immutable
set search_path = ''
as $$
declare
  document tsvector := '';
  -- So many characters of a row that even one-letter words, each behind two hashes, fit into a tsvector (1 MB, PostgreSQL documentation §12.11).
  room integer := 32768;
begin
  for n in 1..coalesce(cardinality(texts), 0) loop
    exit when room <= 0;
    continue when texts[n] is null;
    document := document || setweight(to_tsvector(config, left(texts[n], room)), substr('ABCD', least(n, 4), 1)::"char");
    room := room - length(texts[n]);
  end loop;
  return document;
end;
$$;
revoke all on function federation.search_document(regconfig, text[]) from public;
grant execute on function federation.search_document(regconfig, text[]) to federation_peer, federation_user;
comment on function federation.search_document(regconfig, text[]) is
  'The words of a row''s text columns, the first column''s weighing most; of 32 768 characters in all, and none beyond.';

create or replace function federation.search_query(config regconfig, query text, stage text) returns tsquery
language sql
stable
set search_path = ''
as $$
  select case stage
    when 'prefix' then regexp_replace(q.exact::text, $r$('(?:[^']|'')*')$r$, '\1:*', 'g')::tsquery
    else q.exact
  end
  from (values (websearch_to_tsquery(config, query))) as q (exact);
$$;
revoke all on function federation.search_query(regconfig, text, text) from public;
grant execute on function federation.search_query(regconfig, text, text) to federation_peer, federation_user;
comment on function federation.search_query(regconfig, text, text) is
  'What a person wrote ("a phrase", or, -not) as a query; at the stage prefix each word stands for all that begin with it.';

create or replace function federation.search_terms(query tsquery) returns text[]
language sql
stable
set search_path = ''
as $$
  -- Without what is negated: the indexable part of a query (PostgreSQL documentation §12.4.2, querytree).
  select array(
    select m.parts[1]
    from regexp_matches(querytree(query), $r$('(?:[^']|'')*'(?::\*)?)$r$, 'g') with ordinality as m (parts, n)
    order by m.n
  );
$$;
revoke all on function federation.search_terms(tsquery) from public;
grant execute on function federation.search_terms(tsquery) to federation_peer, federation_user;
comment on function federation.search_terms(tsquery) is 'The words that a query asks for, each as a query of its own.';
