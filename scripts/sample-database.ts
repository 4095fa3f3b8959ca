import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { openEmbedded } from "../src/database/embedded.ts";
import { migrateDatabase } from "../src/database/migrate.ts";
import { loadSampleApp } from "../src/sample/load-sample.ts";

/**
 * Runs work in a transaction, rolled back, on an embedded database made for it: migrated, with the sample application registered,
 * without rows.
 */
export async function withSampleDatabase<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-sample-"));
  const database = await openEmbedded({ dataFolder: join(folder, "data"), socketFolder: join(folder, "run") });
  try {
    await migrateDatabase({ connectionString: database.connectionString });
    await loadSampleApp(database.connectionString);
    const client = new Client({ connectionString: database.connectionString });
    await client.connect();
    try {
      await client.query("begin");
      return await work(client);
    } finally {
      await client.end();
    }
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
