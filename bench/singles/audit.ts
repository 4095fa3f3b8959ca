import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { median } from "../measure.ts";
import type { Work } from "../setting/work.ts";

const BATCH = 1_000;
const BATCHES = 20;

/** Audit rows a second that one gateway's connection writes, in the batches of its queue, hashes and all. */
export async function measureAudit({ gatewayUrl, grants }: Work, rounds: number): Promise<number> {
  const client = new Client({ connectionString: gatewayUrl });
  await client.connect();
  const { grantId, subject, serial } = grants[1];
  const batch = (): string =>
    JSON.stringify(
      Array.from({ length: BATCH }, () => ({
        ...{ at: new Date().toISOString(), verb: "list", outcome: "served", code: "OK", grant_id: grantId },
        ...{ subject_user_id: subject, certificate_serial: serial, resource: "tasks", query_hash: "ab".repeat(32) },
        ...{ row_count: 50, bytes_out: 15_968, latency_ms: 2.5, request_id: randomUUID(), trace_id: "ab".repeat(16) },
      })),
    );
  const measured: number[] = [];
  try {
    for (let n = 0; n < rounds; n += 1) {
      const batches = Array.from({ length: BATCHES }, batch);
      const started = performance.now();
      for (const rows of batches) {
        await client.query("select federation.append_audit($1, 'requests-0')", [rows]);
      }
      measured.push((BATCH * BATCHES * 1000) / (performance.now() - started));
    }
  } finally {
    await client.end();
  }
  return median(measured);
}
