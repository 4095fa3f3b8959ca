import type { Queryable } from "./session.ts";

/** The table of ours that holds object ids, which are others in every database. */
export const PRIVILEGES_TABLE = "federation.federation_resource_privileges";

// What an id stands for, as the name that is the same in both databases; null where the object is gone.
const OBJECT_NAME = `case p.object_kind
  when 'schema' then (select n.nspname::text from pg_catalog.pg_namespace n where n.oid = p.object_id)
  when 'role' then (select r.rolname::text from pg_catalog.pg_roles r where r.oid = p.object_id)
  else (
    select format('%I.%I', n.nspname, c.relname)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = p.object_id
  )
end`;
const COLUMN_NAME = `(
  select a.attname::text from pg_catalog.pg_attribute a
  where p.object_kind = 'column' and a.attrelid = p.object_id and a.attnum = p.column_number and not a.attisdropped
)`;

/** The rows of that table with names in place of ids: what a comparison looks at. */
export const PRIVILEGES_BY_NAME = `
  select row(p.resource_name, p.role_name, p.object_kind, ${OBJECT_NAME}, ${COLUMN_NAME}, p.granted_here)::text as line
  from only ${PRIVILEGES_TABLE} p`;

/** An object that registration gave a privilege on, by id and by name. */
export interface ObjectName {
  object_kind: string;
  object_id: string;
  column_number: number;
  object_name: string | null;
  column_name: string | null;
}

/** Every object that the source's table names. */
export async function readObjectNames(source: Queryable): Promise<ObjectName[]> {
  const { rows } = await source.query<ObjectName>(`
    select distinct p.object_kind, p.object_id::text as object_id, p.column_number, ${OBJECT_NAME} as object_name, ${COLUMN_NAME} as column_name
    from only ${PRIVILEGES_TABLE} p`);
  return rows;
}

/**
 * Puts the target's ids in the place of the source's, before the table has its key. What is gone gets an id that no object has: one
 * of the target's might have the source's.
 */
export async function replaceObjectIds(target: Queryable, names: readonly ObjectName[]): Promise<void> {
  await target.query(
    `with named as (
       select n.object_kind, n.object_id as old_id, n.column_number as old_number, n.column_name, n.ordinal,
         case n.object_kind
           when 'schema' then to_regnamespace(quote_ident(n.object_name))::oid
           when 'role' then to_regrole(quote_ident(n.object_name))::oid
           else to_regclass(n.object_name)::oid
         end as new_id
       from rows from (
         json_to_recordset($1) as (object_kind text, object_id oid, column_number smallint, object_name text, column_name text)
       ) with ordinality as n (object_kind, object_id, column_number, object_name, column_name, ordinal)
     ),
     found as (
       select n.object_kind, n.old_id, n.old_number, n.ordinal, n.new_id, a.attnum
       from named n
       left join pg_catalog.pg_attribute a on a.attrelid = n.new_id and a.attname = n.column_name and not a.attisdropped
     )
     update ${PRIVILEGES_TABLE} p
     set object_id = case
         when f.new_id is null or (f.object_kind = 'column' and f.attnum is null) then (4294967295 - f.ordinal)::oid else f.new_id
       end,
       column_number = coalesce(f.attnum, f.old_number)
     from found f
     where (p.object_kind, p.object_id, p.column_number) = (f.object_kind, f.old_id, f.old_number)`,
    [JSON.stringify(names)],
  );
}
