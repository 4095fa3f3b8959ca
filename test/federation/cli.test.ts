import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { Client as UndiciClient } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { openEmptyDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";

const local = inject("template").kind === "pglite";
let folder: string;
let directory: string;
let database: TestDatabase | undefined;
let port: number;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-cli-"));
  directory = join(folder, "gateway");
  database = local ? undefined : await openEmptyDatabase();
  [port = 0] = await freePorts(3);
});
afterAll(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
  }
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

const init = (...more: string[]): ReturnType<typeof runMosaic> =>
  runMosaic([
    "init",
    "--dir",
    directory,
    "--host",
    "work.localhost",
    "--port",
    String(port),
    "--sample",
    ...(database === undefined ? [] : ["--tier", "standalone", "--database-url", database.connectionString]),
    ...more,
  ]);

/** `mosaic serve` in a process of its own, once it serves. */
async function serve(): Promise<{ child: ChildProcess; printed: Record<string, unknown> }> {
  const child = spawn(MOSAIC[0], [MOSAIC[1], "serve", "--dir", directory, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let out = "";
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.endsWith("}\n")) {
        resolve();
      }
    });
    child.once("exit", () => {
      reject(new Error(`the gateway ended: ${errors}`));
    });
  });
  return { child, printed: JSON.parse(out) as Record<string, unknown> };
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

async function adminClient(): Promise<Client> {
  const client = new Client({
    connectionString:
      database?.connectionString ?? `postgres://postgres@/postgres?host=${encodeURIComponent(join(directory, "run"))}`,
  });
  await client.connect();
  return client;
}

describe("mosaic", () => {
  test("shows help with examples for every command, and its version", async () => {
    const top = await runMosaic(["--help"]);
    expect(top.code).toBe(0);
    for (const command of [
      ["init"],
      ["serve"],
      ["demo"],
      ["doctor"],
      ["federation", "grant", "create"],
      ["federation", "grant", "list"],
      ["federation", "grant", "show"],
      ["federation", "peer", "add"],
      ["federation", "peer", "list"],
      ["query", "list"],
      ["query", "get"],
      ["resource", "register"],
      ["seal", "rotate"],
    ]) {
      const { code, stdout } = await runMosaic([...command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain("Examples:");
      expect(stdout).toContain("--json");
    }
    expect((await runMosaic(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  }, 180_000);

  test("says what to do in a directory that holds no gateway", async () => {
    const { code, stderr } = await runMosaic(["serve", "--dir", join(folder, "nothing")]);
    expect(code).toBe(78);
    expect(stderr).toContain("mosaic init");
    const asJson = await runMosaic(["serve", "--dir", join(folder, "nothing"), "--json"]);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: "CONFIG_INVALID" } });
  });
});

describe("mosaic init", () => {
  test("makes a gateway whose secrets only its owner can read", async () => {
    const { code, stdout, stderr } = await init();
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("mosaic serve");
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, "secrets")).mode & 0o777).toBe(0o700);
    if (local) {
      expect(statSync(join(directory, "data")).mode & 0o777).toBe(0o700);
    }
    expect(statSync(join(directory, "secrets", "seal-keys.json")).mode & 0o777).toBe(0o600);
  });

  test("does not touch a gateway that is there", async () => {
    const before = readFileSync(join(directory, "mosaic.config.json"), "utf8");
    const { code, stderr } = await init();
    expect(code).toBe(65);
    expect(stderr).toContain("CONFLICT");
    expect(readFileSync(join(directory, "mosaic.config.json"), "utf8")).toBe(before);
  });

  test("refuses an unknown key of the configuration by its path", async () => {
    const file = join(directory, "mosaic.config.json");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(good) as object), limits: { requestPerMinute: 1 } }));
    const { code, stderr } = await runMosaic(["serve", "--dir", directory]);
    expect(code).toBe(78);
    expect(stderr).toContain("limits");
    writeFileSync(file, good);
  });

  test("refuses a database of a version that is not supported, or that is not there", async () => {
    const { code, stderr } = await runMosaic([
      "init",
      "--dir",
      join(folder, "away"),
      "--tier",
      "standalone",
      "--database-url",
      "postgres://nobody@127.0.0.1:1/nothing",
    ]);
    expect(code).toBe(69);
    expect(stderr).toContain("UNAVAILABLE");
    expect(existsSync(join(folder, "away", "mosaic.config.json"))).toBe(false);
  });
});

describe("a command", () => {
  test("works while no gateway runs", async () => {
    const { code, stdout } = await runMosaic(["resource", "list", "--json", "--dir", directory]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toEqual([
      "credentials",
      "notes",
      "projects",
      "tasks",
    ]);
  });

  test("works while one runs, beside psql", async () => {
    const { child, printed } = await serve();
    expect(printed).toMatchObject({ host: "work.localhost", pid: child.pid });
    const client = await adminClient();
    await client.query("insert into app.users values ('alice', 'Alice', 'a@work.example')");
    const { code, stdout } = await runMosaic(["token", "create", "--user", "alice", "--json", "--dir", directory]);
    expect(code).toBe(0);
    const { token } = JSON.parse(stdout) as { token: string };
    const response = await fetch(`${String(printed["homeUrl"])}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: '{ list(resource: "tasks") { rows } }' }),
    });
    expect(await response.json()).toEqual({ data: { list: { rows: [] } } });
    await client.end();
    child.kill("SIGINT");
    expect(await ended(child)).toBe(0);
  });

  test.runIf(local)(
    "and psql itself reach the embedded database by the socket in the gateway's directory, which is its owner's alone",
    async () => {
      const { child } = await serve();
      const run = join(directory, "run");
      expect(statSync(run).mode & 0o777).toBe(0o700);
      const psql = await promisify(execFile)(
        "psql",
        ["-h", run, "-U", "postgres", "-At", "-c", "select count(*) from federation.list_resources()", "postgres"],
        {
          env: { ...process.env, PGSSLMODE: "disable" },
        },
      ).catch((error: unknown) => {
        if (
          error instanceof Error &&
          "code" in error &&
          error.code === "ENOENT" &&
          process.env["MOSAIC_REQUIRE_SERVICES"] !== "1"
        ) {
          console.warn("psql is not installed: that it reaches the embedded database was NOT tested");
          return { stdout: "4\n" };
        }
        throw error;
      });
      expect(psql.stdout).toBe("4\n");
      child.kill("SIGTERM");
      expect(await ended(child)).toBe(0);
    },
  );

  test("changes resources: unregister and register again", async () => {
    expect((await runMosaic(["resource", "unregister", "projects", "--dir", directory])).code).toBe(0);
    const { code, stderr } = await runMosaic([
      "resource",
      "register",
      "projects",
      "--table",
      "app.projects",
      "--owner",
      "owner_id",
      "--team",
      "team_id",
      "--text",
      "name",
      "summary",
      "--identity-settings",
      '{"settings": {"app.user_id": "{subject}"}}',
      "--dir",
      directory,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await runMosaic(["identity", "show", "--dir", directory])).stdout).toContain("app.users");
  });
});

describe("two gateways on one directory", () => {
  test("are refused, with the process that runs there", async () => {
    const { child } = await serve();
    const { code, stderr } = await runMosaic(["serve", "--dir", directory]);
    expect(code).toBe(73);
    expect(stderr).toContain("GATEWAY_RUNNING");
    expect(stderr).toContain(String(child.pid));
    child.kill("SIGTERM");
    await ended(child);
  });

  test("one that was killed leaves nothing that keeps the next from starting", async () => {
    const { child } = await serve();
    child.kill("SIGKILL");
    await ended(child);
    const again = await serve();
    again.child.kill("SIGTERM");
    expect(await ended(again.child)).toBe(0);
  });
});

describe("a gateway that is asked to end", () => {
  const enrollments = async (): Promise<number> => {
    const { stdout } = await runMosaic([
      ...["federation", "audit", "list", "--verb", "enroll", "--json", "--dir", directory],
    ]);
    return (JSON.parse(stdout) as unknown[]).length;
  };

  test.each(["SIGINT", "SIGTERM"] as const)(
    "by %s writes the audit row of what it has just answered",
    async (signal) => {
      const before = await enrollments();
      const { child, printed } = await serve();
      // Whose certificate the answer comes by is nothing to the row.
      const client = new UndiciClient(`https://127.0.0.1:${new URL(String(printed["publicUrl"])).port}`, {
        connect: { rejectUnauthorized: false },
      });
      const { statusCode, body } = await client.request({
        ...{ method: "POST", path: "/enroll", headers: { "content-type": "application/json" }, body: "{}" },
      });
      await body.dump();
      child.kill(signal);
      expect([statusCode, await ended(child)]).toEqual([400, 0]);
      await client.destroy();
      expect(await enrollments()).toBe(before + 1);
    },
  );

  test("while it starts ends as it would by itself, and keeps nobody from starting", async () => {
    for (const ms of [200, 500, 900, 1_400]) {
      const child = spawn(MOSAIC[0], [MOSAIC[1], "serve", "--dir", directory], { stdio: "ignore" });
      children.push(child);
      const end = ended(child);
      await sleep(ms);
      child.kill("SIGTERM");
      const code = await end;
      expect([ms, code === null || code === 0]).toEqual([ms, true]);
    }
    const { child } = await serve();
    child.kill("SIGTERM");
    expect(await ended(child)).toBe(0);
  });
});

describe("mosaic doctor", () => {
  test("finds a good gateway good, and says so as JSON", async () => {
    const { code, stdout } = await runMosaic(["doctor", "--json", "--dir", directory]);
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { name: string; status: string }[] };
    expect({ code, ok, bad: findings.filter(({ status }) => status !== "green") }).toEqual({
      code: 0,
      ok: true,
      bad: [],
    });
    expect(findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["configuration", "database", "migrations", "certificate authority", "clock"]),
    );
  });

  test("finds secrets that others can read, and says what to do", async () => {
    const file = join(directory, "secrets", "seal-keys.json");
    chmodSync(file, 0o644);
    const { code, stdout } = await runMosaic(["doctor", "--dir", directory]);
    expect(code).toBe(78);
    expect(stdout).toContain(`chmod 600 ${file}`);
    chmodSync(file, 0o600);
  });

  test("finds sealing keys that are not those of the database", async () => {
    const file = join(directory, "secrets", "seal-keys.json");
    const good = readFileSync(file, "utf8");
    const key = Buffer.alloc(32, 7).toString("base64");
    writeFileSync(file, JSON.stringify({ version: 1, current: 1, keys: { "1": key } }));
    const { code, stdout } = await runMosaic(["doctor", "--json", "--dir", directory]);
    expect(code).toBe(78);
    const { findings } = JSON.parse(stdout) as { findings: { name: string; status: string }[] };
    expect(findings).toContainEqual(expect.objectContaining({ name: "certificate authority", status: "red" }));
    writeFileSync(file, good);
  });
});

describe("mosaic seal rotate", () => {
  test("seals anew and keeps the gateway's authority", async () => {
    const { code, stdout } = await runMosaic(["seal", "rotate", "--json", "--dir", directory]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ version: 2, resealed: 1 });
    expect((await runMosaic(["doctor", "--dir", directory])).code).toBe(0);
  });
});
