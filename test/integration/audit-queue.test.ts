import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { createAuditQueue } from "../../src/audit/queue.ts";
import { createSessions } from "../../src/database/session.ts";
import type { Sessions } from "../../src/database/session.ts";
import { createLog } from "../../src/observability/log.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";

const log = createLog("silent");
let database: TestDatabase;
let sessions: Sessions;

beforeAll(async () => {
  database = await openTestDatabase();
  sessions = createSessions(database.pool, 10_000);
});
afterAll(() => database.close());

const entry = (code = "OK"): AuditEntry => ({
  at: new Date().toISOString(),
  verb: "list",
  outcome: "served",
  code,
  request_id: randomUUID(),
});
async function written(code: string): Promise<{ verb: string; row_count: number; details: unknown }[]> {
  const { rows } = await database.pool.query<{ verb: string; row_count: number; details: unknown }>(
    "select verb, row_count, details from federation.federation_audit_log where code = $1 order by position",
    [code],
  );
  return rows;
}
async function faults(): Promise<unknown[]> {
  const { rows } = await database.pool.query("select * from federation.verify_audit() where fault is not null");
  return rows;
}

describe("the audit queue", () => {
  test("writes what it was given, in its order, to a chain that holds", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 1_000, batchSize: 7, intervalMs: 10, durableMs: 1_000 });
    for (let index = 0; index < 50; index += 1) {
      queue.push({ ...entry("ORDERED"), row_count: index });
    }
    await queue.close(5_000);
    expect((await written("ORDERED")).map(({ row_count }) => row_count)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(await faults()).toEqual([]);
  });

  test("that is full drops, counts, and says in the log how many and from when to when", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 5, batchSize: 10, intervalMs: 10, durableMs: 1_000 });
    const before = new Date().toISOString();
    for (let index = 0; index < 8; index += 1) {
      queue.push(entry("FULL"));
    }
    expect(queue.dropped).toBe(3);
    await queue.close(5_000);
    expect(await written("FULL")).toHaveLength(5);
    const [gap, ...more] = await written("DROPPED");
    expect(more).toEqual([]);
    expect(gap).toMatchObject({ verb: "gap", row_count: 3 });
    const { since, until } = gap?.details as { since: string; until: string };
    expect(since >= before && until >= since).toBe(true);
    expect(await faults()).toEqual([]);
  });

  test("of many gateways at once breaks no chain, and loses and doubles no row", async () => {
    const queues = Array.from({ length: 20 }, () =>
      createAuditQueue(sessions, log, { capacity: 1_000, batchSize: 20, intervalMs: 5, durableMs: 1_000 }),
    );
    for (const queue of queues) {
      for (let index = 0; index < 50; index += 1) {
        queue.push(entry("MANY"));
      }
    }
    await Promise.all(queues.map((queue) => queue.close(30_000)));
    expect(await written("MANY")).toHaveLength(1_000);
    expect(await faults()).toEqual([]);
  });
});
