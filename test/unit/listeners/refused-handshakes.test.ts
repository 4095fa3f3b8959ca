import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBucket } from "../../../src/admission/bucket.ts";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import { createRefusedHandshakes } from "../../../src/listeners/refused-handshakes.ts";

test("of refused handshakes the log keeps sixty of each minute, and the next says how many had no row; each grant's by themselves", async () => {
  let seconds = 0;
  const rows: AuditEntry[] = [];
  const putDown = createRefusedHandshakes({
    audit: { push: (entry) => void rows.push(entry) },
    bucket: createBucket(() => seconds * 1_000),
    log: { info: () => undefined },
  });
  const fail = async (times: number, grant?: string): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      putDown(grant === undefined ? "TLS_REFUSED" : "GRANT_REVOKED", { grant_id: grant });
      await setImmediate();
    }
  };
  await fail(100);
  await fail(1, "a grant");
  expect(rows).toHaveLength(61);
  expect(rows.at(-1)).toMatchObject({
    verb: "handshake",
    outcome: "denied",
    code: "GRANT_REVOKED",
    grant_id: "a grant",
  });
  expect(rows.filter(({ details }) => details !== undefined)).toEqual([]);
  seconds = 61;
  await fail(2);
  expect(rows.slice(61).map(({ details }) => details)).toEqual([{ refusedBefore: "40" }, undefined]);

  const before = rows.length;
  for (let grant = 0; grant < 20; grant += 1) {
    await fail(60, `grant ${grant}`);
  }
  // Six hundred of all together, two of which the first of this minute took.
  expect(rows.length - before).toBe(598);
});
