import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
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
  sessions = createSessions(database.pool, { statementTimeoutMs: 10_000 });
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
/** Takes away the function by which rows are appended, or gives it back. */
async function away(gone: boolean): Promise<void> {
  await database.pool.query(
    gone
      ? "alter function federation.append_audit(jsonb, text) rename to append_audit_away"
      : "alter function federation.append_audit_away(jsonb, text) rename to append_audit",
  );
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

  test("keeps room for what ran, however much is refused, and says how many refusals are missing", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 20, batchSize: 10, intervalMs: 10, durableMs: 1_000 });
    for (let index = 0; index < 1_000; index += 1) {
      queue.push({ ...entry("FLOOD"), outcome: "denied" });
    }
    expect(queue.hasRoom).toBe(true);
    for (let index = 0; index < 10; index += 1) {
      queue.push(entry("RAN"));
    }
    await queue.close(5_000);
    expect(await written("FLOOD")).toHaveLength(10);
    expect(await written("RAN")).toHaveLength(10);
    expect(await written("DROPPED")).toContainEqual(expect.objectContaining({ verb: "gap", row_count: 990 }));
  });

  test("keeps room for refusals of others and for what is awaited, however much is refused that costs nothing", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 500, batchSize: 10, intervalMs: 10, durableMs: 5_000 });
    for (let index = 0; index < 2_000; index += 1) {
      queue.push({ ...entry("RATE_LIMITED"), outcome: "denied" });
      queue.push({ ...entry("SPENT"), verb: "enroll", outcome: "denied" });
    }
    for (let index = 0; index < 40; index += 1) {
      queue.push({ ...entry("PROBE"), outcome: "denied" });
    }
    await queue.pushDurable(entry("AWAITED"));
    await queue.close(5_000);
    expect([...(await written("RATE_LIMITED")), ...(await written("SPENT"))]).toHaveLength(10);
    expect(await written("PROBE")).toHaveLength(40);
    expect(await written("AWAITED")).toHaveLength(1);
    expect(await written("DROPPED")).toContainEqual(expect.objectContaining({ verb: "gap", row_count: 3_990 }));
  });

  test("that is closed says what comes too late", async () => {
    const lines: string[] = [];
    const stream = new PassThrough();
    stream.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
    const queue = createAuditQueue(sessions, createLog("info", stream), {
      ...{ capacity: 20, batchSize: 10, intervalMs: 10, durableMs: 1_000 },
    });
    await queue.close(1_000);
    const late = entry("LATE");
    queue.push(late);
    expect(queue.dropped).toBe(1);
    expect(lines.join("")).toContain(late.request_id);
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

  test("catches up after the database could not take rows, in their order and without losing any", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 100, batchSize: 10, intervalMs: 10, durableMs: 1_000 });
    await away(true);
    try {
      for (let index = 0; index < 30; index += 1) {
        queue.push({ ...entry("AWAY"), row_count: index });
      }
      await sleep(300);
      expect(queue.depth).toBe(30);
      expect(await written("AWAY")).toEqual([]);
    } finally {
      await away(false);
    }
    await queue.close(10_000);
    expect((await written("AWAY")).map(({ row_count }) => row_count)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(queue.dropped).toBe(0);
  });

  test("says when a row is durable, to many at once", async () => {
    const queue = createAuditQueue(sessions, log, {
      capacity: 1_000,
      batchSize: 50,
      intervalMs: 60_000,
      durableMs: 5_000,
    });
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const code = `DURABLE ${round} ${index}`;
          await sleep(index % 3);
          await queue.pushDurable(entry(code));
          expect(await written(code)).toHaveLength(1);
        }),
      );
    }
    await queue.close(1_000);
  });

  test("refuses in time what it cannot make durable, and what is written later says that nothing left", async () => {
    const queue = createAuditQueue(sessions, log, { capacity: 2, batchSize: 10, intervalMs: 10, durableMs: 200 });
    const refused = { ...entry("LATE"), row_count: 9, request_id: "late" };
    await away(true);
    try {
      await expect(queue.pushDurable(refused)).rejects.toMatchObject({ code: "UNAVAILABLE" });
      queue.push(entry("LATE"));
      // Full: there is not even a place to wait.
      await expect(queue.pushDurable(entry("LATE"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    } finally {
      await away(false);
    }
    await queue.close(10_000);
    const { rows } = await database.pool.query(
      "select outcome, code, row_count from federation.federation_audit_log where request_id = 'late'",
    );
    expect(rows).toEqual([{ outcome: "failed", code: "UNAVAILABLE", row_count: 0 }]);
  });
});
