import type { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSessions } from "../../src/database/session.ts";
import type { Sessions } from "../../src/database/session.ts";
import { createServiceAlert } from "../../src/observability/service-alert.ts";
import type { ServiceAlert } from "../../src/observability/service-alert.ts";
import { openPool, openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";

let database: TestDatabase;
let pool: Pool;
let sessions: Sessions;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 2);
  sessions = createSessions(pool, { statementTimeoutMs: 5_000 });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const SOON = { timeout: 15_000 };
const faults: unknown[] = [];
const alertOf = (subject: string, by: Sessions = sessions): ServiceAlert =>
  createServiceAlert({
    sessions: by,
    code: "STEP_CA_AWAY",
    subject,
    log: { warn: (fault: unknown) => faults.push(fault) },
  });

/** Of whom it is open that the service is away. */
async function open(): Promise<string[]> {
  const { rows } = await database.pool.query<{ subject: string }>(
    "select subject from federation.federation_alerts where code = 'STEP_CA_AWAY' and resolved_at is null order by subject",
  );
  return rows.map(({ subject }) => subject);
}

test("that a service is away is each gateway's own alert: one that reaches it takes no other's back", async () => {
  const [one, other] = [alertOf("one:/var/lib/mosaic"), alertOf("other:/var/lib/mosaic")];
  one.say(true);
  other.say(true);
  await expect.poll(open, SOON).toEqual(["one:/var/lib/mosaic", "other:/var/lib/mosaic"]);
  other.say(false);
  await expect.poll(open, SOON).toEqual(["one:/var/lib/mosaic"]);
  one.say(false);
  await expect.poll(open, SOON).toEqual([]);
  await Promise.all([one.close(), other.close()]);
});

test("what a process before left open ends at the first word that the service is there", async () => {
  const before = alertOf("one:/var/lib/mosaic");
  before.say(true);
  await expect.poll(open, SOON).toHaveLength(1);
  await before.close();
  const after = alertOf("one:/var/lib/mosaic");
  after.say(false);
  await expect.poll(open, SOON).toEqual([]);
  await after.close();
});

test("an alert that cannot be written is written as soon as it can, as it is by then", async () => {
  const alert = alertOf("one:/var/lib/mosaic");
  await database.pool.query("alter function federation.raise_alert(text, text, text, text) rename to raise_alert_away");
  alert.say(true);
  await expect.poll(() => faults.length, SOON).toBeGreaterThan(0);
  expect(await open()).toEqual([]);
  await database.pool.query("alter function federation.raise_alert_away(text, text, text, text) rename to raise_alert");
  await expect.poll(open, SOON).toEqual(["one:/var/lib/mosaic"]);
  alert.say(false);
  await expect.poll(open, SOON).toEqual([]);
  await alert.close();
});

test("an alert that somebody closes while the service is away is open again soon after", async () => {
  const alert = alertOf("one:/var/lib/mosaic");
  alert.say(true);
  await expect.poll(open, SOON).toHaveLength(1);
  const { rows } = await database.pool.query<{ id: string }>(
    "select id from federation.list_alerts() where code = 'STEP_CA_AWAY'",
  );
  await database.pool.query("select federation.resolve_alert('STEP_CA_AWAY', 'one:/var/lib/mosaic')");
  await expect
    .poll(
      async () =>
        (
          await database.pool.query<{ id: string }>(
            "select id from federation.list_alerts() where code = 'STEP_CA_AWAY' and id <> $1",
            [rows[0]?.id],
          )
        ).rows.length,
      SOON,
    )
    .toBe(1);
  await alert.close();
  await database.pool.query("select federation.resolve_alert('STEP_CA_AWAY', 'one:/var/lib/mosaic')");
});

test("an alert whose writing was not answered is taken back all the same once the service is there", async () => {
  let [lose, written] = [false, 0];
  const lossy: Sessions = {
    ...sessions,
    asGatewayOnce: async (query) => {
      const answer = await sessions.asGatewayOnce(query);
      written += 1;
      if (lose) {
        throw new Error("the connection broke before the answer");
      }
      return answer as never;
    },
  };
  const alert = alertOf("one:/var/lib/mosaic", lossy);
  alert.say(false);
  await expect.poll(() => written, SOON).toBe(1);
  const before = faults.length;
  lose = true;
  alert.say(true);
  await expect.poll(() => faults.length, SOON).toBeGreaterThan(before);
  expect(await open()).toEqual(["one:/var/lib/mosaic"]);
  lose = false;
  alert.say(false);
  await expect.poll(open, SOON).toEqual([]);
  await alert.close();
});
