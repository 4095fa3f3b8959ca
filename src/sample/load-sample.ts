import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { packageRoot } from "../config/package-root.ts";
import { BEGIN } from "../database/begin.ts";

/**
 * Loads the sample application (schema `app`, no rows) into a migrated database and registers its resources; leaves a database
 * that has it as it is.
 *
 * @param connectionString a role that may create schemas and roles
 * @returns whether it was loaded now
 */
export async function loadSampleApp(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ there: boolean }>("select to_regclass('app.tasks') is not null as there");
    if (rows[0]?.there === true) {
      return false;
    }
    await client.query(BEGIN);
    for (const file of ["app.sql", "register.sql"]) {
      await client.query(readFileSync(join(packageRoot(), "sample", file), "utf8"));
    }
    await client.query("commit");
    return true;
  } finally {
    await client.end();
  }
}
