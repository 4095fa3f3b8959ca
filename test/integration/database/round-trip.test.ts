import type { Pool, PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { roundTrip } from "../../../src/database/round-trip.ts";
import type { Statement } from "../../../src/database/round-trip.ts";
import { openPool, openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";

let database: TestDatabase;
let pool: Pool;
let client: PoolClient;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 1);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});
beforeEach(async () => {
  client = await pool.connect();
});
afterEach(() => {
  client.release();
});

const sql = (text: string, values?: unknown[]): Statement => ({ text, ...(values === undefined ? {} : { values }) });

test("brings the rows of the one statement that is asked for, with their types", async () => {
  const { rows, rowCount } = await roundTrip(
    client,
    [
      sql("begin"),
      sql("select 'not this' as said"),
      sql("select $1::integer as n, $2::text[] as names", [7, ["a", '"']]),
      sql("commit"),
    ],
    2,
  );
  expect(rows).toEqual([{ n: 7, names: ["a", '"'] }]);
  expect(rowCount).toBe(1);
});

test("rows are arrays where that is asked for, and none is an answer, too", async () => {
  const asked = { text: "select 1 as a, null as b", rowMode: "array" as const };
  expect((await roundTrip(client, [sql("select 5"), asked], 1)).rows).toEqual([[1, null]]);
  expect((await roundTrip(client, [sql("select 5 where false"), sql("select 6")], 0)).rows).toEqual([]);
});

test.each<[string, Statement]>([
  ["cannot be read", sql("selct 1")],
  ["fails as it runs", sql("select 1 / (length($1) - 1)", ["x"])],
  ["has a value that is none of its type", sql("select $1::integer", ["x"])],
])("nothing behind a statement that %s is run", async (_, failing) => {
  await client.query("create temporary table written (n integer)");
  const write = sql("insert into written values (1)");
  await expect(roundTrip(client, [sql("begin"), write, failing, sql("commit"), write], 2)).rejects.toMatchObject({
    code: expect.stringMatching(/^(42601|22012|22P02)$/) as string,
  });
  await client.query("rollback");
  expect((await client.query("select * from written")).rows).toEqual([]);
  await client.query("drop table written");
});

test("a value that Postgres has none for is found before anything is sent", async () => {
  const circle: { toPostgres?: () => unknown } = {};
  circle.toPostgres = () => circle;
  await expect(
    roundTrip(client, [sql("create temporary table sent ()"), sql("select $1", [circle])], 1),
  ).rejects.toThrow("circular");
  expect((await client.query<{ sent: string | null }>("select to_regclass('sent')::text as sent")).rows).toEqual([
    { sent: null },
  ]);
});

test.skipIf(inject("template").kind === "pglite")(
  "a statement with a name is prepared once on each connection, and again after a failure",
  async () => {
    const named: Statement = { name: "doubled", text: "select $1::integer * 2 as n", values: [21] };
    const count = async (): Promise<string[]> =>
      (
        await client.query<{ name: string }>(
          "select name from pg_prepared_statements where name in ('doubled', 'late')",
        )
      ).rows.map(({ name }) => name);
    const late: Statement = { name: "late", text: "select 1" };
    // What was prepared before the failure is there, and what comes behind it is not.
    await expect(roundTrip(client, [named, sql("select 1 / 0"), late], 0)).rejects.toThrow("division by zero");
    expect(await count()).toEqual(["doubled"]);
    for (let n = 0; n < 3; n += 1) {
      expect((await roundTrip(client, [named, late], 0)).rows).toEqual([{ n: 42 }]);
    }
    expect((await count()).sort()).toEqual(["doubled", "late"]);
    const other: Statement = { name: "doubled", text: "select 'another' as n" };
    expect((await roundTrip(client, [other], 0)).rows).toEqual([{ n: "another" }]);
  },
);

test("several at once on one connection are answered each with its own", async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      n % 5 === 4
        ? roundTrip(client, [sql("select 1 / 0"), sql("select 'never'")], 1).then(
            () => "answered",
            () => "failed",
          )
        : roundTrip<{ n: number }>(client, [sql("select 0"), sql("select $1::integer as n", [n])], 1).then(
            ({ rows }) => rows[0]?.n,
          ),
    ),
  );
  expect(answers).toEqual(Array.from({ length: 20 }, (_, n) => (n % 5 === 4 ? "failed" : n)));
});
