import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../src/config/package-root.ts";
import { dumpPrivileges } from "./dump/privileges.ts";
import { dumpSchema } from "./dump/schema.ts";
import { rolledBack, withSampleDatabase } from "./sample-database.ts";

// Writes test/snapshots/ from a database made for it. A test compares the files with PGlite and with PostgreSQL.
const folder = join(packageRoot(), "test/snapshots");
mkdirSync(folder, { recursive: true });
await withSampleDatabase(async (connectionString) => {
  writeFileSync(join(folder, "schema.sql"), await rolledBack(connectionString, dumpSchema));
  writeFileSync(join(folder, "privileges.txt"), await rolledBack(connectionString, dumpPrivileges));
});
