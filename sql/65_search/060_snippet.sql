-- Guarantees: a snippet is made of one visible row's declared text and nothing else.
create or replace function federation.marked_parts(headline text) returns jsonb
language sql
immutable strict
set search_path = ''
as $$
  -- What is marked stands between the control characters 2 and 3, which were taken out of the text before.
  select coalesce(jsonb_agg(jsonb_build_object('text', p.text, 'match', p.match) order by p.n, p.match desc) filter (where p.text <> ''), '[]')
  from string_to_table(headline, e'\x02') with ordinality as s (piece, n)
  cross join lateral (
    values
      (case when s.n > 1 then split_part(s.piece, e'\x03', 1) else '' end, true, s.n),
      (case when s.n > 1 then split_part(s.piece, e'\x03', 2) else s.piece end, false, s.n)
  ) as p (text, match, n);
$$;
revoke all on function federation.marked_parts(text) from public;
grant execute on function federation.marked_parts(text) to federation_peer, federation_user;
comment on function federation.marked_parts(text) is 'A headline as its parts, in order, each with whether it is a match: nothing in it has to be escaped or taken for markup.';

create or replace function federation.alike_words(config regconfig, texts text[], query text) returns tsquery
language plpgsql
stable
set search_path = ''
as $$
declare
  trigrams constant text := federation.trigram_schema();
  alike tsquery;
begin
  execute format(
    $q$
      select string_agg('''' || replace(replace(w.word, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
      from unnest(tsvector_to_array(federation.search_document($1, $2))) as w (word)
      where exists (
        select from unnest(federation.search_terms(websearch_to_tsquery('pg_catalog.simple', $3))) as q (term)
        where %s.similarity(w.word, q.term) >= 0.3
      )
    $q$,
    trigrams
  )
  into alike
  using config, texts, query;
  return alike;
end;
$$;
revoke all on function federation.alike_words(regconfig, text[], text) from public;
grant execute on function federation.alike_words(regconfig, text[], text) to federation_peer, federation_user;
comment on function federation.alike_words(regconfig, text[], text) is 'The words of a row that are like those asked for, as a query by which to mark them.';

create or replace function federation.search_snippet(config regconfig, columns name[], texts text[], query text, stage text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  marks tsquery;
  headline text;
  plain jsonb;
begin
  marks := case stage
    when 'near' then federation.alike_words(config, texts, query)
    else array_to_string(federation.search_terms(federation.search_query(config, query, stage)), ' | ')::tsquery
  end;
  for n in 1..cardinality(columns) loop
    continue when coalesce(texts[n], '') = '';
    headline := ts_headline(
      config, translate(left(texts[n], 32768), e'\x02\x03', ''), coalesce(marks, ''),
      e'StartSel="\x02", StopSel="\x03", MaxWords=24, MinWords=8, ShortWord=0, MaxFragments=2, FragmentDelimiter=" … "'
    );
    if headline like e'%\x02%' then
      return jsonb_build_object('column', columns[n], 'parts', federation.marked_parts(headline));
    end if;
    plain := coalesce(plain, jsonb_build_object('column', columns[n], 'parts', federation.marked_parts(headline)));
  end loop;
  return plain;
end;
$$;
revoke all on function federation.search_snippet(regconfig, name[], text[], text, text) from public;
grant execute on function federation.search_snippet(regconfig, name[], text[], text, text) to federation_peer, federation_user;
comment on function federation.search_snippet(regconfig, name[], text[], text, text) is
  'Where a row holds what was asked for: {"column", "parts": [{"text", "match"}]}, of the first column that does; else how its text begins.';
