import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Pool } from "pg";
import type { PoolClient } from "pg";
import { inject } from "vitest";
import { openEmbedded } from "../../src/database/embedded.ts";
import { keepCompiled } from "./keep-compiled.ts";

/** A database of one test file. */
export interface TestDatabase {
  kind: "pglite" | "postgres";
  /** Of a superuser. */
  connectionString: string;
  /** Of a superuser. */
  pool: Pool;
  /** Of an embedded database: told the payload of each notice, as a gateway is. */
  onNotice?: (listener: (payload: string) => void) => void;
  /** Runs statements in a transaction that is always rolled back. */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** Runs statements in a transaction that is committed, or rolled back where they fail. */
  committed<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A clone of the template: migrated, with the sample application registered, without rows. */
export function openTestDatabase(): Promise<TestDatabase> {
  return inject("template").kind === "pglite" ? openPGlite("template") : openPostgres("template");
}

/** A database with nothing in it. */
export function openEmptyDatabase(): Promise<TestDatabase> {
  return inject("template").kind === "pglite" ? openPGlite("empty") : openPostgres("empty");
}

async function openPGlite(from: "template" | "empty"): Promise<TestDatabase> {
  const template = inject("template");
  if (template.kind !== "pglite") {
    throw new Error("this project runs on PostgreSQL");
  }
  await keepCompiled();
  const folder = mkdtempSync(join(tmpdir(), "mosaic-test-"));
  if (from === "template") {
    cpSync(template.folder, join(folder, "data"), { recursive: true });
  }
  const embedded = await openEmbedded({ dataFolder: join(folder, "data"), socketFolder: join(folder, "run") });
  const database = testDatabase("pglite", embedded.connectionString, async () => {
    await embedded.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    ...database,
    onNotice: (listener) => {
      embedded.onNotice(listener);
    },
  };
}

async function openPostgres(from: "template" | "empty"): Promise<TestDatabase> {
  const template = inject("template");
  if (template.kind !== "postgres") {
    throw new Error("this project runs on PGlite");
  }
  const name = `test_${randomBytes(6).toString("hex")}`;
  const admin = new Client({ connectionString: template.serverUrl });
  await admin.connect();
  await admin.query(`create database ${name} template ${from === "template" ? template.database : "template0"}`);
  const url = new URL(template.serverUrl);
  url.pathname = `/${name}`;
  return testDatabase("postgres", url.href, async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
}

/** Connections as a gateway has them, to a database that may go before the last of them has. */
export function openPool(connectionString: string, max: number): Pool {
  const pool = new Pool({ connectionString, pipeline: true, max });
  // A database that is dropped ends its idle connections.
  pool.on("error", () => undefined);
  return pool;
}

function testDatabase(kind: "pglite" | "postgres", connectionString: string, drop: () => Promise<void>): TestDatabase {
  const pool = openPool(connectionString, 4);
  return {
    kind,
    connectionString,
    pool,
    transaction: async (work) => {
      const client = await pool.connect();
      try {
        await client.query("begin");
        return await work(client);
      } finally {
        await client.query("rollback");
        client.release();
      }
    },
    committed: async (work) => {
      const client = await pool.connect();
      try {
        await client.query("begin");
        const result = await work(client);
        await client.query("commit");
        return result;
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    },
    close: async () => {
      await pool.end();
      await drop();
    },
  };
}
