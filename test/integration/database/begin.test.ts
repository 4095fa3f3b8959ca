import type { EventEmitter } from "node:events";
import type { Pool, PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createSessions } from "../../../src/database/session.ts";
import type { Sessions } from "../../../src/database/session.ts";
import { startDeadline } from "../../../src/deadline.ts";
import { createLocalSource } from "../../../src/source/local-source.ts";
import type { QuerySource } from "../../../src/source/query-source.ts";
import { openPool, openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { fingerprintFor } from "../../harness/fingerprint.ts";
import { activeGrant, seedPeople, seedRows } from "../../policies/actors.ts";
import type { Grant } from "../../policies/actors.ts";
import { only } from "../../policies/verbs.ts";

let database: TestDatabase;
let pool: Pool;
let sessions: Sessions;
let grant: Grant;
/** What was answered, as rows, behind a transaction that did not begin. */
let answers: unknown[];
let failing = false;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 1);
  pool.on("connect", failToBegin);
  sessions = createSessions(pool, { statementTimeoutMs: 5_000 });
  grant = await database.committed(async (client) => {
    await seedPeople(client, { olga: ["t1"], ned: [] });
    await seedRows(client, "tasks", [
      { owner: "olga", team: null },
      { owner: "ned", team: null },
    ]);
    await client.query("create table app.written (who text not null); grant insert on app.written to public");
    return activeGrant(client, "olga", { resources: ["tasks"], include_personal: true });
  });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});
beforeEach(() => {
  answers = [];
  failing = true;
});

/** Has a transaction fail to begin, and hears what is answered behind it. */
function failToBegin(client: PoolClient): void {
  const { connection } = client as unknown as {
    connection: EventEmitter & { parse: (statement: { text: string }) => void };
  };
  const parse = connection.parse.bind(connection);
  connection.parse = (statement) => {
    const begins = failing && statement.text.startsWith("begin");
    parse(begins ? { ...statement, text: "select 1 / 0" } : statement);
  };
  connection.on("dataRow", (row: unknown) => answers.push(row));
}

/** What a transaction that cannot begin says; whatever was sent along has been answered by then. */
async function refused(work: Promise<unknown>): Promise<void> {
  await expect(work).rejects.toMatchObject({ code: "INTERNAL" });
  failing = false;
}

test("where a transaction does not begin, a peer's verb yields nothing", async () => {
  const who = {
    grantId: grant.id,
    subjectUserId: grant.subject,
    serial: grant.serial,
    fingerprint: fingerprintFor(grant.serial),
  };
  const asked = { text: "select federation_api.list('tasks') as page" };
  await refused(sessions.asPeer(who, asked));
  expect(answers).toEqual([]);
  expect((await sessions.asPeer(who, asked)).rows).toHaveLength(1);
});

const PAGE = { filter: null, order: null, first: 10, after: null };

test.each<[string, (source: QuerySource, id: string) => Promise<unknown>]>([
  ["list", (source) => source.list({ resource: "tasks", ...PAGE })],
  ["get", (source, id) => source.get({ resource: "tasks", id })],
  [
    "search",
    (source) => source.search({ query: "row", resources: ["tasks"], first: 10, after: null, mode: null, vector: null }),
  ],
  ["capabilities", (source) => source.capabilities()],
])("nor does a local user's %s", async (_, ask) => {
  const { rows } = await database.pool.query<{ id: string }>("select id from app.tasks where owner_id = 'ned'");
  const deadline = startDeadline(5_000);
  const source = createLocalSource(sessions, { userId: "olga", deadline });
  await refused(ask(source, only(rows).id));
  expect(answers).toEqual([]);
  deadline.end();
});

test("where one begins, a local user has an answer", async () => {
  failing = false;
  const deadline = startDeadline(5_000);
  const source = createLocalSource(sessions, { userId: "olga", deadline });
  expect((await source.list({ resource: "tasks", ...PAGE })).rows).toHaveLength(1);
  expect(answers).not.toEqual([]);
  deadline.end();
});

test("and nothing that is written is written, by the gateway as by a person", async () => {
  const write = (client: PoolClient): Promise<unknown> =>
    client.query("insert into app.written values (current_user) returning who");
  await refused(sessions.asGateway(write));
  failing = true;
  await refused(sessions.asPerson({ hash: Buffer.alloc(32), background: false }, write));
  expect((await database.pool.query("select who from app.written")).rows).toEqual([]);
});
