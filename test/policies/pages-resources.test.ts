import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asked, openPagesWorld } from "./pages.ts";
import type { Session } from "./pages.ts";

let database: TestDatabase;
let ada: Session;

beforeAll(async () => {
  database = await openTestDatabase();
  ({ ada } = await openPagesWorld(database));
});
afterAll(() => database.close());

describe("the functions of the pages", () => {
  test("offer no table in which no column alone identifies a row, and count no rows where they were never counted", async () => {
    await database.transaction(async (client) => {
      await client.query("create table app.pairs (a int, b int, primary key (a, b))");
      await client.query("create table app.loose (a int unique, owner text)");
      await client.query("create table app.counted (id int primary key, owner text)");
      await client.query("create table app.uncounted (id int primary key, owner text)");
      await client.query("insert into app.counted select n from generate_series(1, 7) n");
      await client.query("analyze app.counted");
      const tables = await asked<{ table: string; estimatedRows: number | null }[]>(client, ada, "candidate_tables()");
      const rowsOf = new Map(tables.map(({ table, estimatedRows }) => [table, estimatedRows]));
      expect([rowsOf.has("app.pairs"), rowsOf.has("app.loose")]).toEqual([false, false]);
      expect([rowsOf.get("app.counted"), rowsOf.get("app.uncounted")]).toEqual([7, null]);
    });
  });

  test("list resources by name, whatever the order of their tables", async () => {
    await database.transaction(async (client) => {
      for (const name of ["zz_first", "mm_second", "aa_third"]) {
        await client.query(`create table app.${name} (id int primary key, owner text)`);
        await client.query("select federation.register_resource($1, $2, 'owner')", [name, `app.${name}`]);
      }
      // What the planner knows by now of the tables' names makes it join by hash, which keeps no order.
      await client.query("analyze pg_catalog.pg_class, pg_catalog.pg_namespace");
      const names = (await asked<{ name: string }[]>(client, ada, "resources()")).map(({ name }) => name);
      expect(names).toEqual([...names].sort());
      expect(names).toEqual(expect.arrayContaining(["aa_third", "mm_second", "zz_first"]));
    });
  });
});
