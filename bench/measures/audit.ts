import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { createAuditQueue } from "../../src/audit/queue.ts";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { createSessions } from "../../src/database/session.ts";
import { createLog } from "../../src/observability/log.ts";
import { interleave, median } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { smallest, TEAMS } from "../sizes.ts";
import { onDatabase } from "../world/gateway.ts";

const ROWS = 100_000;
const ROWS_QUICK = 2_000;
/** How many entries may wait: fewer than the queue takes before it drops any. */
const WAITING = 20_000;

/** How fast one gateway's audit rows become durable. */
export const AUDIT: Measure = {
  name: "audit-ingest",
  what: "audit rows a second that one gateway's queue makes durable",
  unit: "rows/s",
  target: { atLeast: 20_000 },
  make: async (stage) => {
    const { directory, databaseUrl } = await stage.loaded(smallest(stage));
    const { grantId, serial } = await stage.grant(smallest(stage), TEAMS);
    const rows = stage.options.quick ? ROWS_QUICK : ROWS;
    const pool = new Pool({
      connectionString: readFileSync(gatewayPaths(directory).gatewayDatabaseUrl, "utf8").trim(),
    });
    try {
      const sessions = createSessions(pool, { statementTimeoutMs: 10_000 });
      const count = (): Promise<number> =>
        onDatabase(databaseUrl, async (client) => {
          const counted = await client.query<{ rows: number }>(
            "select count(*)::integer as rows from federation.federation_audit_log where verb = 'bench'",
          );
          return counted.rows[0]?.rows ?? 0;
        });
      const before = await count();
      const samples = await interleave(stage, {
        gateway: async () => {
          const queue = createAuditQueue(sessions, createLog("silent"));
          const started = performance.now();
          for (let pushed = 0; pushed < rows; pushed += 1) {
            queue.push(entryOf(grantId, serial));
            while (queue.depth >= WAITING) {
              await sleep(1);
            }
          }
          await queue.close(120_000);
          return rows / ((performance.now() - started) / 1_000);
        },
      });
      if ((await count()) - before !== rows * stage.options.rounds) {
        throw new Error("not every audit row is in the log");
      }
      return { value: median(samples.gateway), samples };
    } finally {
      await pool.end();
    }
  },
};

/** A row as a request leaves it. */
function entryOf(grantId: string, serial: string): AuditEntry {
  return {
    at: new Date().toISOString(),
    verb: "bench",
    outcome: "served",
    code: "OK",
    grant_id: grantId,
    subject_user_id: "alice",
    certificate_serial: serial,
    resource: "tasks",
    query_hash: "0".repeat(64),
    row_count: 50,
    bytes_out: 15_000,
    latency_ms: 1.5,
    request_id: randomUUID(),
    trace_id: randomUUID().replaceAll("-", ""),
  };
}
