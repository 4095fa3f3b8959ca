import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople, seedRows, seedTeams } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { list, refusal } from "./verbs.ts";

const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;

/** Column by column, the values of six rows in ascending order; the last row has null wherever it may. */
const COLUMNS: Record<string, readonly (string | number | null)[]> = {
  id: [0, 1, 2, 3, 4, 5].map(uuid),
  title: ["", "%", "it's", "{x,y}", "~", "~~"],
  body: ["-- no", ";", "NULL", 'a "b"', "a,b", null],
  status: ["doing", "doing", "done", "open", "open", "open"],
  priority: [1, 2, 3, 4, 5, 5],
  due_on: ["2026-01-01", "2026-01-02", "2026-02-01", "2026-11-01", "2027-01-01", null],
  owner_id: ["u0", "u1", "u2", "u3", "u4", "u5"],
  team_id: ["t0", "t1", "t2", "t3", "t4", null],
  project_id: [...[0, 1, 2, 3, 4].map(uuid), null],
  created_at: ["01", "02", "03", "04", "05", "06"].map((day) => `2026-01-${day}T12:00:00.000001+00:00`),
};
const PIVOT = 2;

/** What each comparison with the pivot's value means, in terms of places in the column. */
const OPERATORS: Record<string, (value: number, pivot: number) => boolean> = {
  eq: (value, pivot) => value === pivot,
  ne: (value, pivot) => value !== pivot,
  lt: (value, pivot) => value < pivot,
  lte: (value, pivot) => value <= pivot,
  gt: (value, pivot) => value > pivot,
  gte: (value, pivot) => value >= pivot,
};

let database: TestDatabase;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedTeams(client, ["t0", "t1", "t2", "t3", "t4"]);
  await seedPeople(client, { u0: [], u1: [], u2: [], u3: [], u4: [], u5: ["t0", "t1", "t2", "t3", "t4"] });
  await client.query(
    "insert into app.projects (id, name, owner_id) select id, 'p', 'u0' from unnest($1::uuid[]) as id",
    [[0, 1, 2, 3, 4].map(uuid)],
  );
  const names = Object.keys(COLUMNS);
  for (let row = 0; row < 6; row += 1) {
    await client.query(
      `insert into app.tasks (${names.join(", ")}) values (${names.map((_, n) => `$${n + 1}`).join(", ")})`,
      names.map((name) => COLUMNS[name]?.[row]),
    );
  }
  await seedRows(client, "credentials", [{ owner: "u5", team: null }]);
  grant = await activeGrant(client, "u5", {
    resources: ["tasks", "credentials"],
    include_teams: "*",
    include_personal: true,
  });
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** The places of the rows that a filter leaves, ascending. */
async function found(filter: unknown, resource = "tasks"): Promise<number[]> {
  const { rows } = await database.transaction((client) =>
    asPeer(client, grant, () => list(client, resource, { filter })),
  );
  return rows.map((row) => COLUMNS["id"]?.indexOf(String(row["id"])) ?? -1).sort();
}

/** The places that a comparison of values leaves; a null compares with nothing. */
function places(column: string, holds: (value: string | number) => boolean): number[] {
  const values = COLUMNS[column] ?? [];
  return [0, 1, 2, 3, 4, 5].filter((row) => {
    const value = values[row] ?? null;
    return value !== null && holds(value);
  });
}

describe.each(Object.keys(COLUMNS))("column %s", (column) => {
  const values = COLUMNS[column] ?? [];
  const pivot = values[PIVOT];

  test.each(Object.keys(OPERATORS))("%s compares by the column's type", async (operator) => {
    const order = [...new Set(values)];
    const expected = places(
      column,
      (value) => OPERATORS[operator]?.(order.indexOf(value), order.indexOf(pivot ?? null)) ?? false,
    );
    expect(expected.length % 6).not.toBe(0);
    expect(await found({ [column]: { [operator]: pivot } })).toEqual(expected);
  });

  test("in finds each of a list, and what is in no row changes nothing", async () => {
    const wanted = [values[0], values[3]];
    const absent = { id: uuid(9), project_id: uuid(9), priority: 99, due_on: "1999-01-01", created_at: "1999-01-01" }[
      column
    ];
    const expected = places(column, (value) => wanted.includes(value));
    expect(await found({ [column]: { in: [...wanted, absent ?? "nothing like it"] } })).toEqual(expected);
  });

  test("isNull tells null from any value", async () => {
    const nulls = [0, 1, 2, 3, 4, 5].filter((row) => values[row] === null);
    expect(await found({ [column]: { isNull: true } })).toEqual(nulls);
    expect(await found({ [column]: { isNull: false } })).toEqual(
      [0, 1, 2, 3, 4, 5].filter((row) => !nulls.includes(row)),
    );
  });
});

test("comparisons of one column and of several all have to hold", async () => {
  expect(await found({ priority: { gte: 2, lt: 5, ne: 3 } })).toEqual([1, 3]);
  expect(
    await found({ priority: { gte: 2 }, due_on: { lt: "2027-01-01" }, status: { in: ["open", "doing"] } }),
  ).toEqual([1, 3]);
  expect(await found({ priority: { eq: 1 }, title: { eq: "it's" } })).toEqual([]);
});

test("no filter, null and an empty one leave every row", async () => {
  for (const filter of [undefined, null, {}]) {
    expect(await found(filter)).toEqual([0, 1, 2, 3, 4, 5]);
  }
});

test("a number may be said as a string, a time in any zone", async () => {
  expect(await found({ priority: { eq: "3" } })).toEqual([2]);
  expect(await found({ created_at: { eq: "2026-01-03T13:30:00.000001+01:30" } })).toEqual([2]);
  expect(await found({ id: { eq: uuid(2).toUpperCase() } })).toEqual([2]);
});

test("a filter takes 20 comparisons and 200 values of a list, and not one more", async () => {
  const OPS = ["eq", "ne", "lt", "lte", "gt", "gte", "in"];
  const comparisons = (count: number): Record<string, Record<string, unknown>> => {
    const filter: Record<string, Record<string, unknown>> = {};
    for (let n = 0; n < count; n += 1) {
      const column = ["title", "body", "status"][Math.floor(n / 7)] ?? "";
      const operator = OPS[n % 7] ?? "";
      filter[column] = { ...filter[column], [operator]: operator === "in" ? ["x"] : "x" };
    }
    return filter;
  };
  expect(await found(comparisons(20))).toEqual([]);
  expect(await refusal(found(comparisons(21)))).toBe("BAD_REQUEST");
  const many = Array.from({ length: 201 }, (_, n) => n);
  expect(await found({ priority: { in: many.slice(1) } })).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await refusal(found({ priority: { in: many } }))).toBe("BAD_REQUEST");
});

test.each<[string, unknown]>([
  ["a list", []],
  ["a string", "priority"],
  ["a number", 1],
  ["true", true],
  ["a column without an object", { priority: 1 }],
  ["a column with null", { priority: null }],
  ["an unknown column", { nothing: { eq: 1 } }],
  ["a system column", { ctid: { eq: "(0,1)" } }],
  ["the table's own name", { tasks: { isNull: false } }],
  ["the row's alias", { t: { isNull: false } }],
  ["a column in capitals", { TITLE: { eq: "x" } }],
  ["a quoted column", { '"title"': { eq: "x" } }],
  ["an unknown comparison", { title: { like: "%" } }],
  ["a comparison in capitals", { title: { EQ: "x" } }],
  ["a column of a prototype", JSON.parse('{"__proto__": {"eq": "x"}}')],
  ["null to compare with", { title: { eq: null } }],
  ["a list to compare with", { title: { eq: ["x"] } }],
  ["an object to compare with", { title: { eq: { x: 1 } } }],
  ["a number for text", { title: { eq: 1 } }],
  ["a boolean for text", { title: { eq: true } }],
  ["a boolean for a number", { priority: { eq: true } }],
  ["words for a number", { priority: { eq: "three" } }],
  ["no text for a number", { priority: { eq: "" } }],
  ["a fraction for a whole number", { priority: { eq: 1.5 } }],
  ["a number out of range", { priority: { eq: 2_147_483_648 } }],
  ["NaN for a whole number", { priority: { eq: "NaN" } }],
  ["words for a date", { due_on: { gt: "soonish" } }],
  ["a day that no month has", { due_on: { gt: "2026-02-30" } }],
  ["a date out of range", { due_on: { gt: "99999999-01-01" } }],
  ["words for a time", { created_at: { gt: "noonish" } }],
  ["a zone that is none", { created_at: { gt: "2026-01-01T00:00:00 Mars/Base" } }],
  ["half a uuid", { id: { eq: "00000000-0000" } }],
  ["an empty list", { title: { in: [] } }],
  ["a value for a list", { title: { in: "x" } }],
  ["a list in a list", { title: { in: [["x"]] } }],
  ["null in a list", { title: { in: ["x", null] } }],
  ["a number in a list of text", { title: { in: ["x", 1] } }],
  ["words in a list of numbers", { priority: { in: [1, "two"] } }],
  ["a word for isNull", { title: { isNull: "true" } }],
  ["null for isNull", { title: { isNull: null } }],
])("%s is no filter", async (_, filter) => {
  expect(await refusal(found(filter))).toBe("BAD_REQUEST");
});

test("a hidden column is not filtered by, so that its values cannot be guessed", async () => {
  await database.transaction(async (client) => {
    const { rows } = await client.query("select secret from app.credentials");
    expect(rows).toEqual([{ secret: "not for peers" }]);
  });
  expect(await found({ name: { isNull: false } }, "credentials")).toHaveLength(1);
  for (const comparison of [{ eq: "not for peers" }, { gt: "a" }, { isNull: false }]) {
    expect(await refusal(found({ secret: comparison }, "credentials"))).toBe("BAD_REQUEST");
  }
});

test("a value that a domain refuses is a bad request and no fault of the database", async () => {
  const filtered = (client: PoolClient, code: string): Promise<unknown> =>
    asPeer(client, grant, () => list(client, "tasks", { filter: { code: { eq: code } } }));
  await database.transaction(async (client) => {
    await client.query("create domain app.code as text check (value ~ '^[A-Z]+$')");
    await client.query("alter table app.tasks add column code app.code default 'AB'");
    await client.query(
      "grant select (code) on app.tasks to federation_peer; grant usage on type app.code to federation_peer",
    );
    await client.query(
      "update federation.federation_resources set columns = columns || 'code'::name where name = 'tasks'",
    );
    expect(await filtered(client, "AB")).toMatchObject({ rows: { length: 6 } });
    expect(await refusal(filtered(client, "ab"))).toBe("BAD_REQUEST");
  });
});

test("a column of names of the database's own is not filtered by, which would tell what is called so", async () => {
  await database.transaction(async (client) => {
    await client.query("create domain app.source as regclass");
    await client.query("alter table app.tasks add column source app.source, add column kind regtype");
    await client.query("grant select (source, kind) on app.tasks to federation_peer");
    await client.query(
      "update federation.federation_resources set columns = columns || '{source,kind}'::name[] where name = 'tasks'",
    );
    for (const filter of [
      { source: { eq: "app.users" } },
      { source: { eq: "app.nothing" } },
      { kind: { eq: "nothing" } },
    ]) {
      expect(await refusal(asPeer(client, grant, () => list(client, "tasks", { filter })))).toBe("BAD_REQUEST");
    }
    expect(await asPeer(client, grant, () => list(client, "tasks"))).toMatchObject({ rows: { length: 6 } });
  });
});
