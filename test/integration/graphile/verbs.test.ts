import { execute } from "postgraphile/grafast";
import { parse } from "postgraphile/graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDeadline } from "../../../src/deadline.ts";
import { createSessions } from "../../../src/database/session.ts";
import { pgClientOf } from "../../../src/graphile/pg-client.ts";
import { createVerbExecutor } from "../../../src/graphile/verb-schema.ts";
import type { VerbExecutor } from "../../../src/graphile/verb-schema.ts";
import { VERB_DOCUMENTS } from "../../../src/verbs/documents.ts";
import type { VerbRequest } from "../../../src/verbs/variables.ts";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant, asPeer, seedPeople, seedRows } from "../../policies/actors.ts";
import type { Grant } from "../../policies/actors.ts";

let database: TestDatabase;
let grant: Grant;
let id: string;
let verbs: VerbExecutor;
beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { ann: ["t1"] });
  const ids = await seedRows(
    client,
    "tasks",
    Array.from({ length: 7 }, (_, n) => ({ owner: "ann", team: "t1", label: `first words ${n}` })),
  );
  id = ids[0] ?? "";
  grant = await activeGrant(client, "ann", { resources: ["tasks"], include_teams: "*", max_rows_per_query: 5 });
  await client.query("commit");
  client.release();
  const sessions = createSessions(database.pool, {
    statementTimeoutMs: 10_000,
    keepsStatements: database.kind === "postgres",
  });
  verbs = await createVerbExecutor(database.pool, sessions);
});
afterAll(() => database.close());

const REQUESTS: (() => VerbRequest & { rows: number })[] = [
  () => ({ verb: "capabilities", variables: {}, rows: 0 }),
  () => ({ verb: "list", variables: { resource: "tasks" }, rows: 5 }),
  () => ({
    verb: "list",
    variables: {
      resource: "tasks",
      filter: { title: { gte: "first words 3" } },
      order: [{ column: "title", direction: "desc" }],
      first: 3,
    },
    rows: 3,
  }),
  () => ({ verb: "get", variables: { resource: "tasks", id }, rows: 1 }),
  () => ({ verb: "search", variables: { query: "words", resources: ["tasks"], first: 4 }, rows: 4 }),
  () => ({ verb: "search", variables: { query: "words" }, rows: 5 }),
  () => ({
    verb: "search",
    variables: { query: "words", vector: null, mode: "keyword", resources: null, after: null },
    rows: 5,
  }),
];

test.each(REQUESTS)(
  "the statement of a verb answers what its GraphQL document answers, and says how many rows that has: %#",
  async (make) => {
    const { rows, ...request } = make();
    const deadline = startDeadline(10_000);
    const session = { grantId: grant.id, subjectUserId: grant.subject, serial: grant.serial };
    const answer = await verbs.execute(request, session, deadline);
    deadline.end();
    const byGraphql = await database.transaction((client) =>
      asPeer(client, grant, () =>
        Promise.resolve(
          execute({
            schema: verbs.schema,
            document: parse(VERB_DOCUMENTS[request.verb]),
            variableValues: request.variables,
            contextValue: {
              pgSettings: {},
              withPgClient: <T>(_: unknown, work: (client: unknown) => T) => work(pgClientOf(client)),
            },
          }),
        ),
      ),
    );
    expect(byGraphql).not.toHaveProperty("errors");
    const expected = (byGraphql as { data: Record<string, unknown> }).data[request.verb];
    // A page's cursor is made anew, for the same row.
    expect(JSON.parse(answer.json)).toEqual(JSON.parse(JSON.stringify(expected)));
    expect(answer.rowCount).toBe(rows);
  },
);
