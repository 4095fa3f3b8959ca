import { afterAll, beforeAll, expect, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { loadSampleApp } from "../../src/sample/load-sample.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { onDatabase } from "./migrate-harness.ts";

// Resources that reach a database by logical replication. Its worker runs the triggers of rows that are enabled always, and none of a statement.

const [FROM, TO] = ["published", "subscribed"];
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgresServer({ settings: { wal_level: "logical" } });
  for (const name of [FROM, TO]) {
    await onDatabase(server.url("postgres"), (client) => client.query(`create database ${name}`));
    await migrateDatabase({ connectionString: server.url(name) });
    await loadSampleApp(server.url(name));
  }
  await onDatabase(server.url(FROM), async (client) => {
    await client.query("create publication resources for table federation.federation_resources");
    // Within one server, a subscription that makes its slot would wait for itself.
    await client.query("select pg_create_logical_replication_slot('resources', 'pgoutput')");
  });
  // As a superuser: row-level security of the federation's tables binds their owner, whom it would work as otherwise.
  await onDatabase(server.url(TO), (client) =>
    client.query(
      `create subscription resources connection '${server.url(FROM)}' publication resources
       with (create_slot = false, slot_name = 'resources', copy_data = false, run_as_owner = true)`,
    ),
  );
});
afterAll(async () => {
  await onDatabase(server.url(TO), async (client) => {
    await client.query("alter subscription resources disable");
    await client.query("alter subscription resources set (slot_name = none)");
    await client.query("drop subscription resources");
  });
  await server.stop();
});

/** What the functions that are written beforehand are made of. */
function written(name: string): Promise<string | undefined> {
  return onDatabase(server.url(TO), async (client) => {
    const { rows } = await client.query<{ body: string }>(
      "select prosrc as body from pg_proc where oid = $1::regprocedure",
      [name],
    );
    return rows[0]?.body;
  });
}

test("a column that was hidden there is in no function that is written here", async () => {
  expect(await written("federation_prepared.tasks_get(text)")).toContain("due_on");
  await onDatabase(server.url(FROM), (client) =>
    client.query(
      "update federation.federation_resources set columns = array_remove(columns, 'due_on') where name = 'tasks'",
    ),
  );
  await expect.poll(() => written("federation_prepared.tasks_get(text)"), { timeout: 20_000 }).not.toContain("due_on");
});

test("an identity setting that was registered there is written for the requests here", async () => {
  await onDatabase(server.url(FROM), (client) =>
    client.query(
      `update federation.federation_resources set identity_settings = '{"settings": {"app.replicated": "{subject}"}}' where name = 'notes'`,
    ),
  );
  await expect.poll(() => written("federation.assume_identity(text)"), { timeout: 20_000 }).toContain("app.replicated");
});

test("what was removed there is assumed, and read by a function, no longer here", async () => {
  await onDatabase(server.url(FROM), (client) =>
    client.query("delete from federation.federation_resources where name = 'notes'"),
  );
  await expect
    .poll(() => written("federation.assume_identity(text)"), { timeout: 20_000 })
    .not.toContain("app.replicated");
  await expect(written("federation_prepared.notes_get(text)")).rejects.toThrow("does not exist");
});
