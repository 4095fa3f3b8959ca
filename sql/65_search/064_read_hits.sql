-- Guarantees: rows are read again under row-level security, declared columns only, before they leave.
create or replace function federation.read_hits(resource text, keys text[], query text, stage text) returns table (row_key text, content jsonb, snippet jsonb)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
as $$
declare
  described record;
  statement text;
begin
  select d.* into described from federation.describe_search(resource) d;
  -- Written before the application's path is set: so the table's name has its schema.
  statement := format(
    'select t.%1$I::text, (select to_jsonb(r) from (select %2$s) r), %3$s
      from %4$s t
      where t.%1$I = any ($1::%5$s[])',
    described.key_column, federation.select_columns(resource),
    case
      when cardinality(described.text_columns) = 0 then 'null::jsonb'
      else format('federation.search_snippet($2, $3, %s, $4, $5)', federation.text_array(described.text_columns))
    end,
    described.table_id, described.key_type
  );
  perform set_config('search_path', described.search_path, true);
  return query execute statement
  using keys, federation.search_config_of(described.config), described.text_columns, query, stage;
end;
$$;
revoke all on function federation.read_hits(text, text[], text, text) from public;
grant execute on function federation.read_hits(text, text[], text, text) to federation_peer, federation_user;
comment on function federation.read_hits(text, text[], text, text) is 'Rows by their keys, as JSON, each with its snippet.';
