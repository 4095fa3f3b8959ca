import type { Queryable } from "./session.ts";

/** A table that holds rows itself: ordinary, or a partition. */
export interface SourceTable {
  /** Qualified and quoted. */
  name: string;
  /** Quoted names of the columns that are stored and not generated, in order. */
  columns: string[];
  rows: number;
}

/** Schemas that a database's owner made: everything but PostgreSQL's own. Takes the name of the schema. */
export const OWN_SCHEMA = (column: string): string => `${column} !~ '^pg_' and ${column} <> 'information_schema'`;

/** Not a part of an extension, which brings it by itself. */
export const NOT_OF_EXTENSION = (catalogue: string, oid: string): string =>
  `not exists (select from pg_catalog.pg_depend e where e.classid = '${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;

/** The tables whose rows are to be moved, with their number of rows in this transaction; the search path is empty. */
export async function listTables(client: Queryable): Promise<SourceTable[]> {
  const { rows } = await client.query<Omit<SourceTable, "rows">>(`
    select c.oid::regclass::text as name, coalesce((
      select json_agg(quote_ident(a.attname) order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    ), '[]') as columns
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence <> 't' and ${OWN_SCHEMA("n.nspname")} and ${NOT_OF_EXTENSION("pg_catalog.pg_class", "c.oid")}
    order by n.nspname collate "C", c.relname collate "C"`);
  const tables: SourceTable[] = [];
  for (const { name, columns } of rows) {
    const { rows: counted } = await client.query<{ rows: string }>(`select count(*)::text as rows from only ${name}`);
    tables.push({ name, columns, rows: Number(counted[0]?.rows) });
  }
  return tables;
}
