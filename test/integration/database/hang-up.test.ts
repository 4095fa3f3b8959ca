import type { Pool } from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
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
  pool.on("connect", () => {
    connected += 1;
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

// The embedded database does not time a statement.
test.skipIf(inject("template").kind === "pglite")(
  "a process that is busy as its time runs out says that it did, though the database told it first that its statement took too long",
  async () => {
    const sessions = createSessions(pool, { statementTimeoutMs: 5_000, noticesHangUps: await noticesHangUps(pool) });
    const deadline = startDeadline(150);
    const asked = sessions.asGatewayOnce({ text: "select pg_sleep(2)" }, deadline);
    setTimeout(() => {
      // Longer than the statement may take: its error waits to be read when the timer of the deadline is due, too.
      for (const until = performance.now() + 400; performance.now() < until;);
    }, 50);
    await expect(asked).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    deadline.end();
    expect((await sessions.asGatewayOnce({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
  },
);
