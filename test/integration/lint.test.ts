import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../../src/config/package-root.ts";
import { readSqlFiles } from "../../src/database/apply-sql.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";

const folder = join(packageRoot(), "test/lint");
const rules = readdirSync(folder).filter((name) => name.endsWith(".sql"));

/** The functions whose file gives the reason of SECURITY DEFINER in a comment on the same line. */
const reasons = [...readSqlFiles(join(packageRoot(), "sql")), ...readSqlFiles(join(packageRoot(), "sample"))].flatMap(
  ({ text }) =>
    [...text.matchAll(/create (?:or replace )?function ([\w.]+)\((.*?)\n *(?:as (?:\$|%L)|return )/gs)].flatMap(
      ([, name, head]) => (name !== undefined && /security definer -- \S+/.test(head ?? "") ? [name] : []),
    ),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  // The sample's tables have policies of their own; this one gets them by being registered.
  await database.pool.query(`
    create table public.plain (id integer primary key, owner_id text, team_id text);
    create index on public.plain (owner_id);
    create index on public.plain (team_id);
    select federation.register_resource('plain', 'public.plain', owner => 'owner_id', team => 'team_id');
  `);
});
afterAll(() => database.close());

async function check(client: PoolClient, rule: string): Promise<string[]> {
  await client.query("select set_config('lint.reasons', $1, true)", [JSON.stringify(reasons)]);
  const { rows } = await client.query<{ found: string }>(readFileSync(join(folder, rule), "utf8"));
  return rows.map((row) => row.found);
}

describe.each(rules)("%s", (rule) => {
  test("finds nothing", async () => {
    expect(await database.transaction((client) => check(client, rule))).toEqual([]);
  });

  test("finds what breaks it, and nothing once that is undone", async () => {
    await database.transaction(async (client) => {
      await client.query("savepoint clean");
      await client.query(readFileSync(join(folder, "broken", rule), "utf8"));
      expect(await check(client, rule)).not.toEqual([]);
      await client.query("rollback to savepoint clean");
      expect(await check(client, rule)).toEqual([]);
    });
  });
});

test("a call of a function for each row is found in any part of a policy, and a call in a nested query is not", async () => {
  const cases: [string, number][] = [
    ["owner_id = (select app.current_user_id())", 0],
    ["owner_id = current_setting('app.user_id')", 1],
    ["owner_id = (select coalesce(nullif(current_setting('app.user_id'), ')'), ''))", 0],
    ["(select true) and owner_id = app.current_user_id()", 1],
    ["lower(owner_id) = (select app.current_user_id())", 0],
    ["exists (select from app.users u where u.id = (select app.current_user_id())) and now() > created_at", 1],
  ];
  for (const [expression, calls] of cases) {
    await database.transaction(async (client) => {
      await client.query(`create policy tried on app.tasks using (${expression})`);
      const found = await check(client, "0008_policy_call_per_row.sql");
      expect({ expression, found: found.length }).toEqual({ expression, found: calls });
    });
  }
});

test("every rule has a statement that breaks it", () => {
  expect(readdirSync(join(folder, "broken"))).toEqual(rules);
});
