import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { asAdministrator } from "../../../src/database/administrator.ts";
import { createSessions } from "../../../src/database/session.ts";
import type { Sessions } from "../../../src/database/session.ts";
import { openPool, openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { fingerprintFor } from "../../harness/fingerprint.ts";
import { activeGrant, seedPeople } from "../../policies/actors.ts";
import type { Grant } from "../../policies/actors.ts";

let database: TestDatabase;
let pool: Pool;
let sessions: Sessions;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  grant = await database.committed(async (client) => {
    await seedPeople(client, { olga: [] });
    return activeGrant(client, "olga", { resources: ["tasks"], include_personal: true });
  });
  await database.pool.query(
    `do $$ begin execute format('alter database %I set default_transaction_isolation = ''repeatable read''', current_database()); end $$`,
  );
  pool = openPool(database.connectionString, 1);
  sessions = createSessions(pool, { statementTimeoutMs: 5_000 });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const ASKED = { text: "select current_setting('transaction_isolation') as isolation" };

// The embedded database reads such a default when it starts, and every connection of a test is the same backend.
describe.skipIf(inject("template").kind === "pglite")("where transactions begin otherwise unless told how", () => {
  test("the database begins transactions otherwise where it is not told how", async () => {
    expect((await pool.query(ASKED)).rows).toEqual([{ isolation: "repeatable read" }]);
  });

  test.each<[who: string, ask: () => Promise<{ rows: unknown[] }>]>([
    ["the gateway", () => sessions.asGateway((client) => client.query(ASKED))],
    ["the gateway, in one round trip", () => sessions.asGatewayOnce(ASKED)],
    ["a local user", () => sessions.asUser("olga", ASKED)],
    [
      "a peer",
      () =>
        sessions.asPeer(
          {
            grantId: grant.id,
            subjectUserId: grant.subject,
            serial: grant.serial,
            fingerprint: fingerprintFor(grant.serial),
          },
          ASKED,
        ),
    ],
    ["an administrator", () => asAdministrator(database.connectionString, (client) => client.query(ASKED))],
  ])("what is committed meanwhile is seen all the same by %s", async (_, ask) => {
    expect((await ask()).rows).toEqual([{ isolation: "read committed" }]);
  });
});

test("registrations are changed by nobody who would not see it", async () => {
  const client = await database.pool.connect();
  await client.query("begin isolation level repeatable read");
  await expect(client.query("select federation.unregister_resource('notes')")).rejects.toMatchObject({ code: "25000" });
  await client.query("rollback");
  client.release();
});
