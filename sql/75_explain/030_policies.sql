-- Guarantees: what a single policy says of a row is asked of its own condition, as the catalogue has it, and as the role that it binds; no rule is
-- written down a second time.
-- Relies on: pg_get_expr, which writes names and operators so that they are read again as what they are under the same search path.
drop function if exists federation.policies_as_peer(text, text[], name[]);
create function federation.policies_as_peer(resource text, images text[], known name[]) returns jsonb
language plpgsql
volatile
security definer -- runs as federation_peer: the conditions were written by the tables' owners, and call their code
set search_path = ''
as $$
declare
  described record;
  policy record;
  condition text;
  admits boolean[];
  reason text;
  verdicts jsonb := to_jsonb(array_fill('[]'::jsonb, array[cardinality(images)]));
begin
  perform federation.require_role('federation_peer');
  select d.*, c.relname into strict described
  from federation.describe_resource(resource) d join pg_class c on c.oid = d.table_id;
  for policy in
    select
      p.polname, p.polpermissive, p.polqual,
      exists (
        select from pg_attribute a
        where known is not null and a.attrelid = p.polrelid and a.attnum > 0 and not a.attisdropped and a.attname <> all (known)
          and (
            exists (
              select from pg_depend d
              where d.classid = 'pg_policy'::regclass and d.objid = p.oid
                and d.refclassid = 'pg_class'::regclass and d.refobjid = p.polrelid and d.refobjsubid = a.attnum
            )
            -- One that names the row as a whole depends on no column by name.
            or p.polqual::text ~ ':varattno 0 '
          )
      ) as reads_unknown
    from pg_policy p
    -- As Postgres chooses them for a select. One without a condition for reading counts for nothing.
    where p.polrelid = described.table_id and p.polcmd in ('r', '*') and p.polqual is not null
      and exists (select from unnest(p.polroles) as r (id) where r.id = 0 or pg_has_role(r.id, 'usage'))
    order by not p.polpermissive, p.polname
  loop
    admits := null;
    reason := case when policy.reads_unknown then 'hidden column' end;
    if not policy.reads_unknown then
      begin
        perform set_config('search_path', described.search_path, true);
        condition := pg_catalog.pg_get_expr(policy.polqual, described.table_id);
        -- The rows come from a function, so that the table's own name stands for a row of its type, as it does in a policy.
        execute pg_catalog.format(
          'select pg_catalog.array_agg(v.admits order by v.n)
            from (select (%s) is true as admits, pg_catalog.row_number() over () as n from pg_catalog.unnest($1::%s[]) as %I) v',
          condition, described.table_id, described.relname
        )
        into admits
        using images;
      exception
        -- It names what is not in the row alone (its place in the table), or a schema that peers may not use.
        when others then
          reason := sqlstate;
      end;
      perform pg_catalog.set_config('search_path', '', true);
    end if;
    verdicts := (
      select jsonb_agg(
        v.item || jsonb_build_object(
          'name', policy.polname, 'kind', case when policy.polpermissive then 'permissive' else 'restrictive' end,
          'admits', admits[v.n], 'reason', reason
        )
        order by v.n
      )
      from jsonb_array_elements(verdicts) with ordinality as v (item, n)
    );
  end loop;
  return verdicts;
end;
$$;
revoke all on function federation.policies_as_peer(text, text[], name[]) from public;
comment on function federation.policies_as_peer(text, text[], name[]) is
  'For each row (at least one), what each policy that binds a peer says of it: {"name", "kind", "admits", "reason"}; admits is null where it could not be asked.';
