import type { Pool, PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSessions, noticesHangUps } from "../../../src/database/session.ts";
import { startDeadline } from "../../../src/deadline.ts";
import { openPool, openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { seedPeople } from "../../policies/actors.ts";

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 1);
  await database.committed((client) => seedPeople(client, { olga: ["t1"] }));
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

// What is prepared and planned lives in a connection: one that is given up after each answer costs the next request all of that.
test("who hangs up with the answer in hand costs no connection", async () => {
  let connected = 0;
  pool.on("connect", (client) => {
    connected += 1;
    endSlowly(client);
  });
  const sessions = createSessions(pool, { statementTimeoutMs: 5_000, noticesHangUps: await noticesHangUps(pool) });
  for (let request = 0; request < 5; request += 1) {
    const deadline = startDeadline(5_000);
    const { rows } = await sessions.asUser("olga", { text: "select current_user::text as role" }, deadline);
    expect(rows).toEqual([{ role: "federation_user" }]);
    deadline.cancel();
    deadline.end();
  }
  expect(connected).toBe(1);
});

test("a deadline that has ended is not cancelled by who hangs up after it", () => {
  const deadline = startDeadline(5_000);
  deadline.end();
  deadline.cancel();
  expect(deadline.signal.aborted).toBe(false);
});

/** Keeps a client's transactions open for a while after what they were asked, as a busy server does. */
function endSlowly(client: PoolClient): void {
  const query = client.query.bind(client) as (...statement: unknown[]) => Promise<unknown>;
  client.query = ((...statement: unknown[]) => {
    if (statement[0] === "commit") {
      query("select pg_sleep(0.05)").catch(() => undefined);
    }
    return query(...statement);
  }) as typeof client.query;
}
