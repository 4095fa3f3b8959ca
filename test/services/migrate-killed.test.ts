import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayPaths } from "../../src/config/paths.ts";
import { fillWorld, WORK } from "../../src/demo/world.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { contentOf } from "./content.ts";
import { contentOfGateway, execute, initLocal, move, schemasOf } from "./migrate-harness.ts";

let server: PostgresServer;
let admin: Client;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-migrate-"));
  server = await startPostgresServer();
  admin = new Client({ connectionString: server.url("postgres") });
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a move that is killed", () => {
  let from: string;
  let before: Record<string, string>;

  beforeAll(async () => {
    from = await initLocal(folder, "large.localhost");
    await useDatabase(from, ({ adminUrl }) => fillWorld(adminUrl, WORK));
    await execute(
      from,
      "insert into app.tasks (title, body, owner_id) select 'Task ' || n, repeat('x', 100), 'alice' from generate_series(1, 200000) n",
    );
    before = await contentOfGateway(from);
  }, 120_000);

  async function killWhen(
    url: string,
    directory: string,
    reached: (stderr: string) => Promise<boolean>,
  ): Promise<void> {
    const child = spawn(
      MOSAIC[0],
      [MOSAIC[1], "migrate-to-federated", "--from", from, "--to", url, "--dir", directory, "--batch-rows", "500"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise((resolve) => child.once("close", resolve));
    while (!(await reached(stderr))) {
      expect(child.exitCode, stderr).toBe(null);
      await sleep(20);
    }
    child.kill("SIGKILL");
    await ended;
    expect(child.signalCode).toBe("SIGKILL");
  }

  const rowsUnderWay = async (): Promise<boolean> => {
    const { rows } = await admin.query<{ under_way: boolean }>(
      "select exists (select from pg_stat_progress_copy where tuples_processed > 50000) as under_way",
    );
    return rows[0]?.under_way === true;
  };

  test.each([
    { when: "among the rows", name: "killed_rows", reached: rowsUnderWay },
    {
      when: "while indexes are made",
      name: "killed_indexes",
      reached: (stderr: string) => Promise.resolve(stderr.includes("making indexes")),
    },
  ])(
    "$when leaves source and target as they were, and a second run succeeds",
    async ({ name, reached }) => {
      await admin.query(`create database ${name}`);
      const url = server.url(name);
      const directory = join(folder, name);
      await killWhen(url, directory, reached);
      expect(await schemasOf(url)).toEqual(["public"]);
      expect(existsSync(gatewayPaths(directory).config)).toBe(false);
      expect(await contentOfGateway(from)).toEqual(before);

      const run = await move(from, url, "--dir", directory);
      expect(run.stderr).toBe("");
      expect(await contentOf(url, ["moved_as"])).toEqual(before);
    },
    180_000,
  );
});
