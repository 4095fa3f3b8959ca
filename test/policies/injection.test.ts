import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, enterAsPeer, inSavepoint, seedPeople, seedRows } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { codeOf, get, list, only } from "./verbs.ts";
import type { Page } from "./verbs.ts";

const STRINGS = [
  "'; drop table app.tasks; --",
  "' or '1'='1",
  "') or true --",
  '" or true --',
  "$$; delete from app.tasks; $$",
  "\\'; select pg_sleep(9); --",
  "1; reset role",
  'title"; set local role postgres; --',
  "%s %I %L %1$s",
  "$1",
  "($1)[1]",
  "/* */ union select secret from app.credentials",
  "select set_config('app.user_id', 'mia', true)",
  "{a,b}",
  '{"a": 1}',
  "a\\",
  "NULL",
  "\u202e",
  "x".repeat(5_000),
];

let database: TestDatabase;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [], mia: [] });
  await seedRows(
    client,
    "tasks",
    STRINGS.map((label) => ({ owner: "olga", team: null, label })),
  );
  await seedRows(client, "tasks", [{ owner: "mia", team: null, label: "hers" }]);
  await seedRows(client, "credentials", [{ owner: "olga", team: null }]);
  grant = await activeGrant(client, "olga", {
    resources: ["tasks"],
    include_personal: true,
    max_rows_per_query: 10_000,
  });
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** Everything that SQL which got through could change or become. */
async function state(client: PoolClient): Promise<unknown> {
  const { rows } = await client.query(`
    select current_user::text as role, current_setting('app.user_id') as subject, current_setting('federation.session') as session`);
  return only(rows);
}

async function contents(client: PoolClient): Promise<unknown> {
  const { rows } = await client.query(`
    select
      (select md5(string_agg(t::text, '' order by t.id)) from app.tasks t) as tasks,
      (select md5(string_agg(c::text, '' order by c.id)) from app.credentials c) as credentials,
      (select md5(string_agg(g::text, '' order by g.id)) from federation.federation_grants g) as grants`);
  return only(rows);
}

/** Runs an attempt in a session that may write, the gentlest ground for an injection, and looks what became of everything. */
async function attempt<T>(work: (client: PoolClient) => Promise<T>): Promise<T | string> {
  return database.transaction(async (client) => {
    const before = await contents(client);
    await enterAsPeer(client, grant);
    await client.query("set local role federation_peer");
    const session = await state(client);
    const outcome = await inSavepoint(
      client,
      async () => {
        const served = await work(client);
        expect(await state(client)).toEqual(session);
        return served;
      },
      "rollback",
    ).catch(codeOf);
    expect(await state(client)).toEqual(session);
    await client.query("reset role");
    expect(await contents(client)).toEqual(before);
    return outcome;
  });
}

const titles = (page: Page | string): unknown =>
  typeof page === "string" ? page : page.rows.map((row) => row["title"]);

test.each(STRINGS)("as a value, %j finds the row that holds it and no other", async (text) => {
  for (const comparison of [{ eq: text }, { in: [text] }, { in: [text, `${text}'`] }, { gte: text, lte: text }]) {
    expect(titles(await attempt((client) => list(client, "tasks", { filter: { title: comparison } })))).toEqual([text]);
  }
});

test.each(STRINGS)("as a value of another type, %j is a bad request", async (text) => {
  for (const column of ["id", "priority", "due_on", "created_at", "project_id"]) {
    expect(await attempt((client) => list(client, "tasks", { filter: { [column]: { eq: text } } }))).toBe(
      "BAD_REQUEST",
    );
    expect(await attempt((client) => list(client, "tasks", { filter: { [column]: { in: [text] } } }))).toBe(
      "BAD_REQUEST",
    );
  }
});

test.each(STRINGS)("as a name, an operator, a direction or a cursor, %j is a bad request", async (text) => {
  for (const options of [
    { filter: { [text]: { eq: "x" } } },
    { filter: { title: { [text]: "x" } } },
    { order: [{ column: text }] },
    { order: [{ column: "title", direction: text }] },
    { order: [{ column: "title", [text]: "asc" }] },
    { after: text },
  ]) {
    expect(await attempt((client) => list(client, "tasks", options)), JSON.stringify(options)).toBe("BAD_REQUEST");
  }
});

test.each(STRINGS)(
  "as a resource, %j is one that the grant does not reach, and as an id a bad request",
  async (text) => {
    expect(await attempt((client) => list(client, text))).toBe("RESOURCE_DENIED");
    expect(await attempt((client) => get(client, text, "x"))).toBe("RESOURCE_DENIED");
    expect(await attempt((client) => get(client, "tasks", text))).toBe("BAD_REQUEST");
  },
);

test("every string is there to be found, and each came back as it went in", async () => {
  const page = await attempt((client) => list(client, "tasks", { first: 100 }));
  expect(new Set(titles(page) as string[])).toEqual(new Set(STRINGS));
});
