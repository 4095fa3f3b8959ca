import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { openEmbedded } from "../src/database/embedded.ts";
import { migrateDatabase } from "../src/database/migrate.ts";
import { loadSampleApp } from "../src/sample/load-sample.ts";

/**
 * Runs work with an embedded database made for it and thrown away after: migrated, with the sample application registered,
 * without rows. Takes some seconds.
 */
export async function withSampleDatabase<T>(work: (connectionString: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-sample-"));
  const database = await openEmbedded({ dataFolder: join(folder, "data"), socketFolder: join(folder, "run") });
  try {
    await migrateDatabase({ connectionString: database.connectionString });
    await loadSampleApp(database.connectionString);
    return await work(database.connectionString);
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs work in a transaction of its own connection, which is rolled back. */
export async function rolledBack<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query("begin");
    return await work(client);
  } finally {
    await client.query("rollback");
    await client.end();
  }
}
