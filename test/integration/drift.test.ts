import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { dumpPrivileges } from "../../scripts/dump/privileges.ts";
import { dumpSchema } from "../../scripts/dump/schema.ts";
import { rolledBack } from "../../scripts/sample-database.ts";
import { packageRoot } from "../../src/config/package-root.ts";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { loadSampleApp } from "../../src/sample/load-sample.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";

const committed = (name: string): string => readFileSync(join(packageRoot(), "test/snapshots", name), "utf8");

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

function dump(of: (client: Client) => Promise<string>, connectionString: string, change = ""): Promise<string> {
  return rolledBack(connectionString, async (client) => {
    await client.query(change);
    return of(client);
  });
}

test("the schema of a migrated database with the sample application is the committed one (npm run db:dump)", async () => {
  expect(await dump(dumpSchema, database.connectionString)).toBe(committed("schema.sql"));
});

test("what each role of the federation may do is what is committed (npm run db:dump)", async () => {
  expect(await dump(dumpPrivileges, database.connectionString)).toBe(committed("privileges.txt"));
});

test.each([
  ["a column", "alter table federation.federation_alerts add column colour text"],
  ["a default", "alter table federation.federation_alerts alter column severity set default 'critical'"],
  ["a check", "alter table federation.federation_grants drop constraint federation_grants_status"],
  ["an index", "drop index federation.federation_grants_created_at_idx"],
  ["a trigger", "drop trigger _100_lifecycle on federation.federation_grants"],
  ["a trigger that is switched off", "alter table federation.federation_grants disable trigger _100_lifecycle"],
  ["a policy", "drop policy tasks_scope on app.tasks"],
  ["a policy's condition", "alter policy tasks_read on app.tasks using (true)"],
  ["a table without row-level security", "alter table federation.federation_keys disable row level security"],
  ["a function's volatility", "alter function federation.current_subject() volatile"],
  ["a function's rights", "alter function federation.current_subject() security invoker"],
  ["a function's search path", "alter function federation.current_subject() set search_path = public"],
  ["a function's owner", "alter function federation.current_subject() owner to app_owner"],
  [
    "a function's body",
    "create or replace function federation_api.get(resource text, id text) returns json language sql stable set search_path = '' as 'select null::json'",
  ],
  ["a view's barrier", "alter view home_api.peers set (security_barrier = false)"],
])("%s that differs shows in the schema", async (_, change) => {
  expect(await dump(dumpSchema, database.connectionString, change)).not.toBe(committed("schema.sql"));
});

test.each([
  ["on a table", "grant select on federation.federation_grants to federation_peer"],
  ["on a column", "grant select (scope) on federation.federation_grants to federation_user"],
  ["on a function", "grant execute on function federation.mac(text, text) to federation_gateway"],
  ["on a schema", "grant create on schema federation to federation_admin"],
  ["of everybody", "grant execute on function federation.create_grant(text, text, jsonb, timestamptz) to public"],
  ["by membership", "grant federation_owner to federation_admin"],
  ["by an attribute", "alter role federation_peer createrole"],
  [
    "for what is made later",
    "alter default privileges for role federation_owner grant select on tables to federation_peer",
  ],
])("a privilege %s that differs shows in the privileges", async (_, change) => {
  expect(await dump(dumpPrivileges, database.connectionString, change)).not.toBe(committed("privileges.txt"));
});

/** Forgets what was applied last, so that the next migration applies `sql/` again. */
async function forgetSql(pool: Pool): Promise<void> {
  const { rowCount } = await pool.query("delete from federation.federation_settings where name = 'sql_hash'");
  expect(rowCount).toBe(1);
}

test("migrating again changes nothing: not where sql/ is as it was, and not where it is applied a second time", async () => {
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
  };
  await migrateDatabase({ connectionString: database.connectionString, log });
  expect(lines).toEqual([]);
  await forgetSql(database.pool);
  await migrateDatabase({ connectionString: database.connectionString, log });
  expect(lines).toHaveLength(1);
  expect(await dump(dumpSchema, database.connectionString)).toBe(committed("schema.sql"));
  expect(await dump(dumpPrivileges, database.connectionString)).toBe(committed("privileges.txt"));
});

test("applying sql/ a second time keeps the keys of cursors and sessions", async () => {
  const read = "select purpose, inner_key, outer_key from federation.federation_keys order by purpose";
  const { rows } = await database.pool.query(read);
  expect(rows).toHaveLength(2);
  await forgetSql(database.pool);
  await migrateDatabase({ connectionString: database.connectionString });
  expect((await database.pool.query(read)).rows).toEqual(rows);
});

// PGlite has one owner process: nobody else migrates it.
describe.runIf(inject("template").kind === "postgres")("on a server of its own", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgresServer();
    const client = new Client({ connectionString: server.url("postgres") });
    await client.connect();
    await client.query("create role builder createrole login password 'secret'");
    await client.query("create role chief superuser login password 'secret'");
    await client.query("create database one owner builder");
    await client.query("create database two");
    await client.end();
  });
  afterAll(async () => {
    // graphile-migrate keeps its pool for 200 ms and ends the process when the server goes meanwhile.
    await sleep(400);
    await server.stop();
  });

  const url = (name: string, user: string): string => {
    const parsed = new URL(server.url(name));
    parsed.username = user;
    parsed.password = "secret";
    return parsed.href;
  };

  test("gateways that migrate one database at the same time all succeed, as a role that is no superuser", async () => {
    const applied: string[] = [];
    const options = { connectionString: url("one", "builder"), log: (line: string) => void applied.push(line) };
    await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(options)));
    // Migrations and sql/, once each.
    expect(applied).toHaveLength(2);
    const client = new Client({ connectionString: options.connectionString });
    await client.connect();
    // To give functions to these roles it had to be in them, for as long as that took.
    const { rows: left } = await client.query(
      "select r from unnest(array['federation_peer', 'federation_user']) as r where pg_has_role(current_user, r, 'usage')",
    );
    await client.end();
    expect(left).toEqual([]);
    await loadSampleApp(options.connectionString);
    expect(await dump(dumpSchema, server.url("one"))).toBe(committed("schema.sql"));
    expect(await dump(dumpPrivileges, server.url("one"))).toBe(committed("privileges.txt"));
  });

  test("a second database of the server, whose roles are there already, comes out the same, as a superuser of another name", async () => {
    await migrateDatabase({ connectionString: url("two", "chief") });
    await loadSampleApp(url("two", "chief"));
    expect(await dump(dumpSchema, url("two", "chief"))).toBe(committed("schema.sql"));
    expect(await dump(dumpPrivileges, url("two", "chief"))).toBe(committed("privileges.txt"));
  });
});
