import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { loadConfig } from "../config/load.ts";
import { gatewayPaths } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import { lockDirectory } from "../database/directory-lock.ts";
import { openEmbedded } from "../database/embedded.ts";
import { FederationError } from "../errors.ts";
import type { Keyring } from "../seal/keyring.ts";
import { loadKeyring } from "../seal/keyring.ts";
import { readSchemaScript } from "./schema-script.ts";
import type { SchemaEntry } from "./schema-script.ts";
import { beginMove } from "./session.ts";
import type { Queryable } from "./session.ts";

/** A stopped gateway's embedded database, in one read-only transaction. */
export interface MoveSource {
  paths: GatewayPaths;
  keyring: Keyring;
  client: Client;
  /** What stands before rows and what after them. */
  schema: { before: SchemaEntry[]; after: SchemaEntry[] };
}

/**
 * Runs work with a gateway's database while nobody else can reach it: the directory is locked, the database listens in a folder that
 * only this process knows, and everything is read in one snapshot.
 *
 * @param work is given a function that ends the database early; the directory stays locked until the work is done
 * @throws FederationError CONFIG_INVALID, GATEWAY_RUNNING, CONFLICT where it holds what cannot be moved
 */
export async function withSource<T>(
  directory: string,
  work: (source: MoveSource, end: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const paths = gatewayPaths(directory);
  const config = loadConfig(paths);
  if (config.tier !== "local" || !existsSync(join(paths.data, "PG_VERSION"))) {
    throw new FederationError("CONFIG_INVALID", `${directory} holds no embedded database: its tier is ${config.tier}`);
  }
  const keyring = loadKeyring(paths.sealKeys);
  const lock = await lockDirectory(directory, (cause) => {
    throw cause;
  });
  const socketFolder = mkdtempSync(join(tmpdir(), "mosaic-move-"));
  try {
    const embedded = await openEmbedded({ dataFolder: paths.data, socketFolder });
    const client = new Client({ connectionString: embedded.connectionString });
    client.on("error", () => undefined);
    let ending: Promise<void> | undefined;
    const end = (): Promise<void> =>
      (ending ??= client
        .end()
        .catch(() => undefined)
        .then(() => embedded.close()));
    try {
      const schema = {
        before: readSchemaScript(await embedded.dumpSchema("pre-data")),
        after: readSchemaScript(await embedded.dumpSchema("post-data")),
      };
      await client.connect();
      await beginMove(client, "read only");
      await requireMovable(client);
      return await work({ paths, keyring, client, schema }, end);
    } finally {
      await end();
    }
  } finally {
    rmSync(socketFolder, { recursive: true, force: true });
    await lock.release();
  }
}

/** What a database can hold beside its own schemas' tables, and a move does not read. */
async function requireMovable(source: Queryable): Promise<void> {
  const { rows } = await source.query<{ found: string }>(`
    select 'large objects' as found where exists (select from pg_catalog.pg_largeobject_metadata)
    union all
    select format('settings of extension %s', e.extname) from pg_catalog.pg_extension e where e.extconfig is not null`);
  if (rows.length > 0) {
    throw new FederationError(
      "CONFLICT",
      `the source holds what cannot be moved: ${rows.map(({ found }) => found).join(", ")}`,
    );
  }
}

/** Columns of tables of the application that hold object ids: the numbers are moved, and mean nothing in another database. */
export async function objectIdColumns(source: Queryable): Promise<string[]> {
  const { rows } = await source.query<{ name: string }>(`
    select c.oid::regclass || '.' || quote_ident(a.attname) as name
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind = 'r'
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^(pg_|federation$|information_schema$)'
    where a.attnum > 0 and not a.attisdropped and a.atttypid in ('oid'::regtype, 'oid[]'::regtype)
    order by 1`);
  return rows.map(({ name }) => name);
}
