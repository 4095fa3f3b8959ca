import { Client, Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test("transactions of many connections, mixed with errors, cut connections and single statements, keep their role and settings", async () => {
  const pool = new Pool({ connectionString: database.connectionString, max: 8 });
  const faults: string[] = [];
  let checked = 0;
  const check = (row: { value: string; role: string } | undefined, value: string, role: string): void => {
    checked += 1;
    if (row?.value !== value || row.role !== role) {
      faults.push(`${JSON.stringify(row)} instead of ${value}, ${role}`);
    }
  };
  await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const value = String(index);
      if (index % 3 === 0) {
        const { rows } = await pool.query("select $1::text as value, current_user::text as role", [value]);
        check(rows[0], value, "postgres");
        return;
      }
      const client = await pool.connect();
      let cut = false;
      try {
        await client.query("begin");
        await client.query("select set_config('app.user_id', $1, true)", [value]);
        await client.query("set local role federation_peer");
        if (index % 5 === 0) {
          await expect(client.query("select 1 / 0")).rejects.toMatchObject({ code: "22012" });
        } else {
          const { rows } = await client.query(
            "select current_setting('app.user_id') as value, current_user::text as role",
          );
          check(rows[0], value, "federation_peer");
        }
        cut = index % 7 === 0;
        if (!cut) {
          await client.query("commit");
        }
      } finally {
        client.release(cut);
      }
    }),
  );
  await pool.end();
  expect(faults).toEqual([]);
  expect(checked).toBeGreaterThan(300);
});

test("what a connection sets for itself is gone for every other connection", async () => {
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  await client.query("set role federation_peer");
  await client.query("set app.user_id = 'someone'");
  const { rows } = await database.pool.query(
    "select current_user::text as role, coalesce(current_setting('app.user_id', true), '') as value",
  );
  expect(rows).toEqual([{ role: "postgres", value: "" }]);
  await client.end();
});

test("another session's user is that session's alone", async () => {
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  await client.query("set session authorization federation_peer");
  const { rows } = await database.pool.query("select session_user::text as user");
  expect(rows).toEqual([{ user: "postgres" }]);
  await client.end();
});

test("a connection that is cut in the middle of a transaction leaves nothing behind and holds nobody up", async () => {
  const client = new Client({ connectionString: database.connectionString });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("begin");
  await client.query("create table public.half_done (id int)");
  // The socket is cut, not closed: no Terminate message is sent.
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  const { rows } = await database.pool.query("select to_regclass('public.half_done') as half_done");
  expect(rows).toEqual([{ half_done: null }]);
});
