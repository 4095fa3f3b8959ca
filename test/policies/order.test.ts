import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople, seedRows } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { list, refusal } from "./verbs.ts";

let database: TestDatabase;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [] });
  // Titles in the order of their creation, which is neither that of their ids nor of any other column.
  await client.query(
    `insert into app.tasks (id, title, priority, due_on, owner_id, created_at)
     select ('00000000-0000-4000-8000-00000000000' || r.id)::uuid, r.title, r.priority, r.due_on, 'olga', r.created_at
     from (values
       (4, 'one', 2, null, timestamptz '2026-01-01'),
       (3, 'two', 1, date '2026-02-02', timestamptz '2026-01-02'),
       (2, 'three', 2, date '2026-02-01', timestamptz '2026-01-02'),
       (1, 'four', 1, null, timestamptz '2026-01-03')
     ) as r (id, title, priority, due_on, created_at)`,
  );
  await seedRows(client, "credentials", [{ owner: "olga", team: null }]);
  grant = await activeGrant(client, "olga", { resources: ["tasks", "credentials"], include_personal: true });
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

function titles(order: unknown): Promise<unknown[]> {
  return database.transaction((client) =>
    asPeer(client, grant, async () => (await list(client, "tasks", { order })).rows.map((row) => row["title"])),
  );
}

test.each<[string, unknown, string[]]>([
  ["no order is the resource's own, then the key", undefined, ["one", "three", "two", "four"]],
  ["null is the resource's own", null, ["one", "three", "two", "four"]],
  ["an empty order is the key", [], ["four", "three", "two", "one"]],
  ["ascending is the default, and ties go by the key", [{ column: "priority" }], ["four", "two", "three", "one"]],
  [
    "descending turns the column and not the key",
    [{ column: "priority", direction: "desc" }],
    ["three", "one", "four", "two"],
  ],
  ["nulls are last ascending", [{ column: "due_on", direction: "asc" }], ["three", "two", "four", "one"]],
  ["nulls are first descending", [{ column: "due_on", direction: "desc" }], ["four", "one", "two", "three"]],
  [
    "a second column breaks ties",
    [{ column: "priority" }, { column: "created_at", direction: "desc" }],
    ["four", "two", "three", "one"],
  ],
  ["the key descending", [{ column: "id", direction: "desc" }], ["one", "two", "three", "four"]],
  [
    "what follows the key orders nothing",
    [{ column: "id" }, { column: "title", direction: "desc" }],
    ["four", "three", "two", "one"],
  ],
  [
    "a column said twice counts once",
    [{ column: "priority" }, { column: "priority", direction: "desc" }, { column: "title" }],
    ["four", "two", "one", "three"],
  ],
])("%s", async (_, order, expected) => {
  expect(await titles(order)).toEqual(expected);
});

test.each<[string, unknown]>([
  ["an unknown column", [{ column: "nothing" }]],
  ["a system column", [{ column: "ctid" }]],
  ["a column with its table", [{ column: "tasks.title" }]],
  ["an expression", [{ column: "title, id" }]],
  ["a number for a column", [{ column: 1 }]],
  ["no column", [{ direction: "asc" }]],
  ["another direction", [{ column: "title", direction: "DESC" }]],
  ["SQL in the direction", [{ column: "title", direction: "asc; drop table app.tasks" }]],
  ["an unknown key", [{ column: "title", nulls: "first" }]],
  ["an object", { column: "title" }],
  ["a string", "title"],
  ["a list of strings", ["title"]],
  ["a number", 7],
  ["a list of null", [null]],
  ["five columns", ["title", "body", "status", "priority", "due_on"].map((column) => ({ column }))],
])("%s is no order", async (_, order) => {
  expect(await refusal(titles(order))).toBe("BAD_REQUEST");
});

test("a hidden column is neither returned nor ordered by", async () => {
  await database.transaction(async (client) => {
    const { rows } = await client.query("select secret from app.credentials");
    expect(rows).toEqual([{ secret: "not for peers" }]);
    const page = await asPeer(client, grant, () => list(client, "credentials", { order: [{ column: "name" }] }));
    expect(page.rows).toHaveLength(1);
    expect(Object.keys(page.rows[0] ?? {}).sort()).toEqual(["created_at", "id", "name", "owner_id", "team_id"]);
    expect(
      await refusal(asPeer(client, grant, () => list(client, "credentials", { order: [{ column: "secret" }] }))),
    ).toBe("BAD_REQUEST");
  });
});
