import type { Pool } from "pg";
import { execute } from "postgraphile/grafast";
import { parse } from "postgraphile/graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSessions } from "../../src/database/session.ts";
import type { PeerSession, Sessions } from "../../src/database/session.ts";
import { startDeadline } from "../../src/deadline.ts";
import { pgClientOf } from "../../src/graphile/pg-client.ts";
import { createCatalogue } from "../../src/graphile/catalogue.ts";
import { createVerbExecutor } from "../../src/graphile/verb-schema.ts";
import type { VerbExecutor } from "../../src/graphile/verb-schema.ts";
import { VERB_DOCUMENTS } from "../../src/verbs/documents.ts";
import type { Verb } from "../../src/verbs/documents.ts";
import { readVerbRequest } from "../../src/verbs/variables.ts";
import { openPool, openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { activeGrant, seedPeople, seedRows } from "../policies/actors.ts";

/** Whatever quotes, braces and escapes mean to JSON, to arrays or to SQL. */
const ODD = `it's "quoted", {braced}, \\ and $1`;

let database: TestDatabase;
let pool: Pool;
let sessions: Sessions;
let verbs: VerbExecutor;
let session: PeerSession;
let row: string;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 2);
  sessions = createSessions(pool, { statementTimeoutMs: 5_000 });
  await database.committed(async (client) => {
    await seedPeople(client, { olga: ["t1"] });
    [row = ""] = await seedRows(client, "tasks", [
      { owner: "olga", team: null, label: ODD },
      ...Array.from({ length: 5 }, (_, n) => ({ owner: "olga", team: "t1", label: `row ${n}` })),
    ]);
    const { id, subject, serial } = await activeGrant(client, "olga", {
      ...{ resources: ["tasks", "notes"], include_teams: ["t1"], include_personal: true },
    });
    session = { grantId: id, subjectUserId: subject, serial, fingerprint: fingerprintFor(serial) };
  });
  verbs = await createVerbExecutor(createCatalogue(pool), sessions, { keepsStatements: false });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

/** What PostGraphile answers by itself, planning the request as it comes. */
async function byPostGraphile(verb: Verb, variables: Record<string, unknown>): Promise<unknown> {
  const result = await execute({
    schema: verbs.schema,
    document: parse(VERB_DOCUMENTS[verb]),
    variableValues: variables,
    contextValue: {
      pgSettings: {},
      withPgClient: <T>(_settings: unknown, work: (client: ReturnType<typeof pgClientOf>) => T | Promise<T>) =>
        Promise.resolve(work(pgClientOf((statement) => sessions.asPeer(session, statement)))),
    },
  });
  if (Symbol.asyncIterator in result) {
    throw new Error("not one answer");
  }
  return result.errors?.[0]?.message ?? JSON.parse(JSON.stringify(result.data?.[verb]));
}

async function planned(verb: Verb, variables: Record<string, unknown>): Promise<unknown> {
  const deadline = startDeadline(5_000);
  try {
    const answer = await verbs.execute(readVerbRequest({ documentId: verb, variables }), session, deadline);
    return JSON.parse(answer) as unknown;
  } catch (error) {
    return (error as Error).message;
  } finally {
    deadline.end();
  }
}

test.each<[Verb, Record<string, unknown>, number | undefined]>([
  ["capabilities", {}, undefined],
  ["list", { resource: "tasks" }, 6],
  ["list", { resource: "tasks", filter: null, order: null, first: null, after: null }, 6],
  ["list", { resource: "tasks", first: 2 }, 2],
  ["list", { resource: "tasks", filter: { title: { eq: ODD } }, order: [{ column: "title", direction: "desc" }] }, 1],
  ["list", { resource: "tasks", filter: { title: { in: [ODD, "row 1"] } } }, 2],
  ["list", { resource: "tasks", after: "not a cursor" }, undefined],
  ["list", { resource: "nothing" }, undefined],
  ["get", { resource: "tasks", id: "01890000-0000-7000-8000-000000000000" }, undefined],
  ["search", { query: "row" }, 5],
  ["search", { query: "row", resources: ["tasks"], first: 3, mode: "keyword" }, 3],
  ["search", { query: "quoted", resources: ["tasks", "notes"] }, 1],
  ["search", { query: "row", resources: ['"', "{}", "\\"] }, undefined],
  ["search", { query: "row", mode: "hybrid", vector: [0.5, -1e-9, 3] }, 5],
])("%s of %j is answered as PostGraphile answers it", async (verb, variables, rows) => {
  const answer = await planned(verb, variables);
  expect(answer).toEqual(await byPostGraphile(verb, variables));
  const { rows: listed, hits } = answer as { rows?: unknown[]; hits?: unknown[] };
  expect((listed ?? hits)?.length).toBe(rows);
});

test("get of a row is answered as PostGraphile answers it", async () => {
  const answer = await planned("get", { resource: "tasks", id: row });
  expect(answer).toEqual(await byPostGraphile("get", { resource: "tasks", id: row }));
  expect(answer).toMatchObject({ id: row, title: ODD });
});
