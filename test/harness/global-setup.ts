import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { TestProject } from "vitest/node";
import { openEmbedded } from "../../src/database/embedded.ts";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { loadSampleApp } from "../../src/sample/load-sample.ts";
import type { FederatedServices } from "../../src/setup/federated-services.ts";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription, statusOf } from "../../scripts/services/status.ts";
import { startPostgresServer } from "./postgres-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What each test file clones: a folder of PGlite's, or a database of a real server. */
    template:
      | { kind: "pglite"; folder: string }
      | { kind: "postgres"; serverUrl: string; database: string; services?: FederatedServices & { stepCaUrl: string } };
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
  const { serverUrl, services, stop } = project.name.endsWith("step-ca") ? await useServices() : await useOwnServer();
  const database = `template_mosaic_${randomBytes(6).toString("hex")}`;
  const onServer = (sql: string): Promise<unknown> => execute(serverUrl, sql);
  await onServer(`create database ${database}`);
  const templateUrl = new URL(serverUrl);
  templateUrl.pathname = `/${database}`;
  if (services !== undefined) {
    await execute(templateUrl.href, "create extension vector");
  }
  await prepare(templateUrl.href);
  project.provide("template", {
    kind: "postgres",
    serverUrl,
    database,
    ...(services === undefined ? {} : { services }),
  });
  return async () => {
    await onServer(`drop database ${database}`);
    await stop();
  };
}

async function useOwnServer(): Promise<{ serverUrl: string; services?: undefined; stop: () => Promise<void> }> {
  const server = await startPostgresServer();
  return { serverUrl: server.url("postgres"), stop: () => server.stop() };
}

/** The real services of tier `federated`. */
async function useServices(): Promise<{
  serverUrl: string;
  services: FederatedServices & { stepCaUrl: string };
  stop: () => Promise<void>;
}> {
  const layout = layoutOf(process.env);
  const { postgres, valkey, stepCa } = readDescription(layout.description) ?? {};
  const absent = (await statusOf(layout))
    .filter(({ service, healthy }) => !healthy && service !== "otel-collector")
    .map(({ service }) => service);
  if (postgres === undefined || valkey === undefined || stepCa === undefined || absent.length > 0) {
    throw new Error(`these services do not run: ${absent.join(", ")}; start them with: npm run services:up`);
  }
  return {
    serverUrl: postgres.url,
    services: {
      valkeyUrl: valkey.url,
      stepCaUrl: stepCa.url,
      stepCaRoot: readFileSync(stepCa.rootFile, "utf8"),
      stepCaKey: readFileSync(stepCa.keyFile, "utf8"),
    },
    stop: () => Promise.resolve(),
  };
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
  await execute(connectionString, statement);
}

async function execute(connectionString: string, statement: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query(statement);
  await client.end();
}
