import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { TestProject } from "vitest/node";
import { openEmbedded } from "../../src/database/embedded.ts";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { loadSampleApp } from "../../src/sample/load-sample.ts";
import { startPostgresServer } from "./postgres-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What each test file clones: a folder of PGlite's, or a database of a real server. */
    template: { kind: "pglite"; folder: string } | { kind: "postgres"; serverUrl: string };
  }
}

/** The database that test files clone: migrated, with the sample application registered, without rows. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (project.name.endsWith("pglite")) {
    const folder = mkdtempSync(join(tmpdir(), "mosaic-template-"));
    const embedded = await openEmbedded({ dataFolder: join(folder, "data"), socketFolder: join(folder, "run") });
    await prepare(embedded.connectionString);
    await embedded.close();
    project.provide("template", { kind: "pglite", folder: join(folder, "data") });
    return async () => {
      rmSync(folder, { recursive: true, force: true });
      await Promise.resolve();
    };
  }
  const server = await startPostgresServer();
  const client = new Client({ connectionString: server.url("postgres") });
  await client.connect();
  await client.query("create database template_mosaic");
  await prepare(server.url("template_mosaic"));
  await client.end();
  project.provide("template", { kind: "postgres", serverUrl: server.url("postgres") });
  return () => server.stop();
}

async function prepare(connectionString: string): Promise<void> {
  await migrateDatabase({ connectionString });
  await loadSampleApp(connectionString);
  const mutation = process.env["MOSAIC_TEST_MUTATION"];
  if (mutation !== undefined) {
    await mutate(connectionString, mutation);
  }
}

/** Breaks the template with one statement: `scripts/mutate-policies.ts` sees by it whether any test notices. */
async function mutate(connectionString: string, statement: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query(statement);
  await client.end();
}
