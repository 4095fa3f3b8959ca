import { createHash } from "node:crypto";
import { Client } from "pg";

/** A database's rows as a move must leave them: of each table how many and a hash of all of them, and where sequences stand. */
export type DatabaseContent = Record<string, string>;

// Object ids are others in every database: what they stand for must be the same.
const BY_NAME = `
  select p.resource_name, p.role_name, p.object_kind, p.granted_here,
    case p.object_kind when 'schema' then p.object_id::regnamespace::text when 'role' then p.object_id::regrole::text else p.object_id::regclass::text end,
    (select a.attname from pg_attribute a where p.object_kind = 'column' and a.attrelid = p.object_id and a.attnum = p.column_number)
  from federation.federation_resource_privileges p`;

/**
 * Reads every row as text and hashes it here, without anything of the tool under test.
 *
 * @param except settings of the federation that are not compared
 */
export async function contentOf(connectionString: string, except: readonly string[] = []): Promise<DatabaseContent> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query("begin read only");
    await client.query("set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'iso_8601'");
    await client.query("set local bytea_output = 'hex'; set local search_path = ''; set local lc_monetary = 'C'");
    const { rows: relations } = await client.query<{ name: string; kind: string }>(`
      select c.oid::regclass::text as name, c.relkind as kind from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and (c.relkind in ('r', 'S') or (c.relkind = 'm' and c.relispopulated)) order by 1`);
    const content: DatabaseContent = {};
    for (const { name, kind } of relations) {
      const statement =
        name === "federation.federation_resource_privileges"
          ? BY_NAME
          : kind === "S"
            ? `select last_value, is_called from ${name}`
            : `select * from only ${name}`;
      const { rows } = await client.query<unknown[]>({
        text: kind === "m" ? statement.replace("only ", "") : statement,
        rowMode: "array",
        types: { getTypeParser: () => (value: string) => value },
      });
      const lines = rows.filter((row) => !except.includes(String(row[0]))).map((row) => JSON.stringify(row));
      const hash = createHash("sha256").update(lines.sort().join("\n")).digest("hex");
      content[name] = `${lines.length} ${hash}`;
    }
    await client.query("rollback");
    return content;
  } finally {
    await client.end();
  }
}
