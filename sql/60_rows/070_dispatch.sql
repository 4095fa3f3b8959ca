-- Guarantees: prepared_page and prepared_row call what was written for a resource by a statement whose plan is kept, and for no other name.
-- Relies on: federation_resources.prepared_for; written anew with each resource that is prepared or forgotten.
create or replace function federation.write_dispatch() returns void
language plpgsql
volatile
security definer -- the functions that it writes must belong to federation_owner
set search_path = ''
as $$
declare
  pages text;
  rows_by_key text;
begin
  select
    string_agg(format('when %L then select p.* into page from federation.%I(size, keyset, reach.subject, reach.personal, reach.teams) p;',
      r.name, 'page_of_' || r.name), ' ' order by r.name),
    string_agg(format('when %L then found_row := federation.%I(id);', r.name, 'row_of_' || r.name), ' ' order by r.name)
  into pages, rows_by_key
  from federation.federation_resources r
  where r.prepared_for is not null;
  execute format(
    $f$create or replace function federation.prepared_page(resource text, first integer, after text, reach federation.page_reach) returns federation.page
      language plpgsql
      stable
      set search_path = ''
      as %L$f$,
    format(
      'declare
        size constant integer := federation.page_size(first, reach.cap);
        keyset text[];
        page record;
      begin
        if after is not null then
          keyset := federation.decode_cursor(resource, null, null, after);
        end if;
        case resource %s else raise exception ''The resource is not available.'' using errcode = ''MF010''; end case;
        return (
          federation.page_json(resource, null, null, page.page_rows, page.last_keys, page.more, coalesce(first, 50) > reach.cap), page.row_count
        );
      end',
      coalesce(pages, 'when null then null;')
    )
  );
  execute format(
    $f$create or replace function federation.prepared_row(resource text, id text) returns json
      language plpgsql
      stable
      set search_path = ''
      as %L$f$,
    format(
      'declare
        found_row json;
      begin
        if id is null then
          raise exception ''A row is named by its id.'' using errcode = ''MF012'', detail = ''{"path": "id"}'';
        end if;
        case resource %s else raise exception ''The resource is not available.'' using errcode = ''MF010''; end case;
        if found_row is null then
          raise exception ''There is no such row.'' using errcode = ''MF011'';
        end if;
        return found_row;
      end',
      coalesce(rows_by_key, 'when null then null;')
    )
  );
  revoke all on function federation.prepared_page(text, integer, text, federation.page_reach), federation.prepared_row(text, text) from public;
  grant execute on function federation.prepared_page(text, integer, text, federation.page_reach), federation.prepared_row(text, text)
    to federation_peer;
  comment on function federation.prepared_page(text, integer, text, federation.page_reach) is
    'One page in a prepared resource''s own order, as federation.list_rows answers it. Raises MF010, MF012. Written by federation.write_dispatch.';
  comment on function federation.prepared_row(text, text) is
    'One row by its key, as federation.get_row answers it. Raises MF010 to MF012. Written by federation.write_dispatch.';
end;
$$;
revoke all on function federation.write_dispatch() from public;
comment on function federation.write_dispatch() is 'Writes prepared_page and prepared_row from the resources that are prepared.';

select federation.write_dispatch();
