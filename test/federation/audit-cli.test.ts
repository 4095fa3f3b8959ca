import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { appendAt } from "../harness/audit.ts";
import { enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";
import type { MosaicRun } from "../harness/mosaic.ts";

let work: TestGateway;
let home: TestGateway;
let folder: string;
let grantId: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-audit-"));
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, { cache: { bytes: 0 } }),
  ]);
  ({ grantId } = await enrollGrant(work, home, "alice", "alice-at-home", {
    resources: ["tasks"],
    include_personal: true,
  }));
  for (let n = 0; n < 3; n += 1) {
    await homeQuery(home, "alice-at-home", `{ list(resource: "tasks", source: "all") { rows } }`);
  }
  await sleep(500);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const audit = (...args: string[]): Promise<MosaicRun> =>
  runMosaic(["federation", "audit", ...args, "--dir", work.directory]);

describe("mosaic federation audit", () => {
  test("signs the heads of the chains, and a tail that was cut off with its head shows against them", async () => {
    const file = join(folder, "heads.json");
    expect((await audit("heads", "--to", file)).stdout).toContain("thumbprint");
    expect((await audit("verify", "--heads", file)).code).toBe(0);
    const signed = JSON.parse(readFileSync(file, "utf8")) as { payload: string };
    const statement = JSON.parse(Buffer.from(signed.payload, "base64url").toString()) as { host: string };
    expect(statement.host).toBe("work.localhost");

    const forged = join(folder, "forged.json");
    const other = Buffer.from(JSON.stringify({ ...statement, heads: [] })).toString("base64url");
    writeFileSync(forged, JSON.stringify({ ...signed, payload: other }));
    expect((await audit("verify", "--heads", forged)).code).toBe(65);
    expect((await audit("verify", "--heads", file, "--key", "another")).code).toBe(65);
    expect((await audit("heads", "--to", file)).code).toBe(65);

    const client = await work.pool.connect();
    try {
      const { rows } = await client.query<{ chain: string }>(
        "select chain from federation.federation_audit_chains where chain <> 'admin' limit 1",
      );
      const chain = rows[0]?.chain;
      await client.query("begin; set local session_replication_role = replica");
      await client.query(
        `with gone as (
           delete from federation.federation_audit_log l
           using federation.federation_audit_chains c where c.chain = $1 and l.chain = c.chain and l.position = c.position
           returning l.position, l.previous_hash
         )
         update federation.federation_audit_chains c set position = g.position - 1, hash = g.previous_hash from gone g where c.chain = $1`,
        [chain],
      );
      await client.query("commit");
      // By itself the chain holds: only the head that was kept knows better.
      expect((await audit("verify")).code).toBe(0);
      const verified = await audit("verify", "--heads", file, "--json");
      expect(verified.code).toBe(65);
      expect(JSON.parse(verified.stdout)).toMatchObject({ ok: false, truncated: [{ chain }] });
    } finally {
      client.release();
    }
  });

  test("exports to a compressed file, which is not written over", async () => {
    const file = join(folder, "audit.jsonl.gz");
    expect((await audit("export", "--history", "--to", file)).code).toBe(0);
    const lines = gunzipSync(readFileSync(file)).toString().trim().split("\n");
    const rows = lines.map((line) => JSON.parse(line) as { verb?: string; heads?: unknown });
    expect(rows.filter(({ verb }) => verb === "list")).not.toEqual([]);
    expect(rows.at(-1)).toHaveProperty("heads");
    expect(existsSync(`${file}.partial`)).toBe(false);
    const again = await audit("export", "--to", file);
    expect(again.code).toBe(65);
    expect(again.stderr).toContain("is there already");
  });

  test("finds a row that was changed, whatever the database's own functions say by now", async () => {
    const { rows } = await work.pool.query<{ id: string; code: string; body: string }>(
      `select l.id, l.code, pg_get_functiondef('federation.audit_hash'::regproc) as body
       from federation.federation_audit_log l where l.verb = 'list' order by l.id limit 1`,
    );
    const { id, code, body } = rows[0] ?? { id: "", code: "", body: "" };
    const change = async (to: string): Promise<void> => {
      const client = await work.pool.connect();
      try {
        await client.query("begin; set local session_replication_role = replica");
        await client.query("update federation.federation_audit_log set code = $2 where id = $1", [id, to]);
        await client.query("commit");
      } finally {
        client.release();
      }
    };
    await change("NOT_FOUND");
    await work.pool.query(
      "create or replace function federation.audit_hash(previous_hash bytea, entry federation.federation_audit_log) returns bytea language sql immutable as 'select entry.hash'",
    );
    try {
      const { rows: own } = await work.pool.query("select from federation.verify_audit() where fault is not null");
      expect(own).toEqual([]);
      const verified = await audit("verify", "--json");
      expect(verified.code).toBe(65);
      expect(verified.stdout).toContain('"fault": "changed"');
    } finally {
      await work.pool.query(body);
      await change(code);
    }
    expect((await audit("verify")).code).toBe(0);
  });

  test("shows what is in the archive on request only", async () => {
    await work.pool.query("select * from federation.roll_audit()");
    await appendAt(work.pool, [{ at: "2020-01-01T00:00:00Z", grant_id: grantId }], "requests-0");
    await work.pool.query("select * from federation.roll_audit()");
    const rows = async (...more: string[]): Promise<string[]> =>
      (JSON.parse((await audit("list", "--until", "2021-01-01", "--json", ...more)).stdout) as { at: string }[]).map(
        ({ at }) => at,
      );
    expect(await rows()).toEqual([]);
    expect(await rows("--history")).toEqual(["2020-01-01T00:00:00.000Z"]);
  });
});

describe("a local user's trail", () => {
  test("in the home API is of grants that speak for them", async () => {
    const trail = async (user: string): Promise<unknown> =>
      (await homeQuery(work, user, "{ allAuditRows { nodes { verb resource outcome code } } }")).data;
    expect(await trail("alice")).toMatchObject({
      allAuditRows: {
        nodes: expect.arrayContaining([{ verb: "list", resource: "tasks", outcome: "served", code: "OK" }]) as unknown,
      },
    });
    expect(await trail("bob")).toEqual({ allAuditRows: { nodes: [] } });
  });
});

describe("mosaic federation status", () => {
  test("says how grants, peers and the audit log do, and what somebody should look at", async () => {
    await work.pool.query(
      "insert into federation.federation_alerts (severity, code, subject, message) values ('warning', 'TEST', 'x', 'Look here.')",
    );
    await work.pool.query("select federation.append_audit($1)", [
      JSON.stringify([{ verb: "gap", outcome: "failed", code: "DROPPED", row_count: 7 }]),
    ]);
    const { stdout, code } = await runMosaic(["federation", "status", "--dir", work.directory]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/1 active/);
    expect(stdout).toContain("7 dropped");
    expect(stdout).toContain("Look here.");
    const json = JSON.parse(
      (await runMosaic(["federation", "status", "--dir", home.directory, "--json"])).stdout,
    ) as object;
    expect(json).toMatchObject({
      peers: [{ user: "alice-at-home", host: "work.localhost", state: "active" }],
      alerts: [],
    });
  });
});

describe("mosaic worker", () => {
  test("beside a gateway runs the jobs and ends when it is told to", async () => {
    const child = spawn(MOSAIC[0], [MOSAIC[1], "worker", "--dir", home.directory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    child.stdout.on("data", (chunk: Buffer) => (log += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
    for (let tries = 0; !/Completed task \d+ \(audit__roll_over/.test(log) && tries < 300; tries += 1) {
      await sleep(100);
    }
    expect(log).toContain("with success");
    const { rows } = await home.pool.query("select from federation.audit_partitions() where starts_at is not null");
    expect(rows).toHaveLength(5);
    // The gateway goes on serving meanwhile.
    expect((await homeQuery(home, "alice-at-home", `{ list(resource: "tasks") { rows } }`)).errors).toBeUndefined();
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
  });
});
