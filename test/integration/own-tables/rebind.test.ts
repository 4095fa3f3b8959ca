import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { migrateDatabase } from "../../../src/database/migrate.ts";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant, seedPeople } from "../../policies/actors.ts";
import { only } from "../../policies/verbs.ts";

const TEAM = { resources: ["tasks"], include_teams: ["t1"] };

let database: TestDatabase;
let grant: string;

beforeEach(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1"] });
  grant = (await activeGrant(client, "olga", TEAM)).id;
  await client.query("commit");
  client.release();
  // As an earlier release bound these tables.
  await database.pool.query(`
    drop trigger _900_federation_memberships_deleted on app.memberships;
    drop trigger _900_federation_memberships_changed on app.memberships;
    drop trigger _900_federation_memberships_truncated on app.memberships;
    drop trigger _900_federation_users_deleted on app.users;
    drop trigger _900_federation_users_changed on app.users;
    drop trigger _900_federation_users_truncated on app.users;
    create trigger _900_federation_revoke_grants after delete or update of id on app.users
      for each row execute function federation.tg_users__revoke_grants('id');
    create trigger _900_federation_revoke_all_grants after truncate on app.users
      for each statement execute function federation.tg_users__revoke_grants('id')`);
});
afterEach(async () => {
  // graphile-migrate keeps its connections for 200 ms, and ends the process where one is cut.
  await sleep(1_000);
  await database.close();
});

async function gaps(): Promise<string[]> {
  const { rows } = await database.pool.query<{ gap: string }>(
    "select table_id::text || ' ' || trigger_name as gap from federation.identity_gaps() order by 1",
  );
  return rows.map(({ gap }) => gap);
}
async function status(): Promise<string> {
  const { rows } = await database.pool.query<{ status: string }>(
    "select status from federation.federation_grants where id = $1",
    [grant],
  );
  return only(rows).status;
}
const leave = (): Promise<unknown> => database.pool.query("delete from app.memberships where user_id = 'olga'");
const ALL = ["app.memberships", "app.users"].flatMap((table) =>
  ["changed", "deleted", "truncated"].map((how) => `${table} _900_federation_${table.slice(4)}_${how}`),
);

test("tables that an earlier release bound get the triggers of this one when the database is migrated", async () => {
  expect(await gaps()).toEqual(ALL);
  const lines: string[] = [];
  await migrateDatabase({ connectionString: database.connectionString, log: (line) => lines.push(line) });
  expect(await gaps()).toEqual([]);
  expect(lines).toHaveLength(1);
  const { rows } = await database.pool.query("select from pg_trigger where tgname ~ '^_900_federation_revoke'");
  expect(rows).toEqual([]);
  expect(await status()).toBe("active");
  await leave();
  expect(await status()).toBe("revoked");
});

test("a trigger that somebody has switched off is missed, and one that a partition lacks", async () => {
  await migrateDatabase({ connectionString: database.connectionString });
  await database.pool.query("alter table app.users disable trigger _900_federation_users_deleted");
  expect(await gaps()).toEqual(["app.users _900_federation_users_deleted"]);
  await database.pool.query(`
    create table app.people (id text) partition by hash (id);
    create table app.people_0 partition of app.people for values with (modulus 2, remainder 0);
    select federation.bind_identity('app.people', 'id');
    create table app.people_1 partition of app.people for values with (modulus 2, remainder 1)`);
  expect(await gaps()).toEqual(["app.people_1 _900_federation_users_truncated"]);
  await database.pool.query("select federation.rebind_identity()");
  expect(await gaps()).toEqual([]);
});

test.each([
  ["calls another function", "after delete on app.users for each row execute function app.nothing()"],
  [
    "names another column",
    "after delete on app.users for each row execute function federation.tg_users__revoke_grants('name')",
  ],
  [
    "fires at another event",
    "after insert on app.users for each row execute function federation.tg_users__revoke_grants('id')",
  ],
  [
    "has a condition",
    "after delete on app.users for each row when (old.id = '') execute function federation.tg_users__revoke_grants('id')",
  ],
])("a trigger that has the name of one but %s is missed, and gives way", async (_what, trigger) => {
  await migrateDatabase({ connectionString: database.connectionString });
  await database.pool.query(`
    create function app.nothing() returns trigger language plpgsql as 'begin return null; end';
    drop trigger _900_federation_users_deleted on app.users;
    create trigger _900_federation_users_deleted ${trigger};
    alter table app.users enable always trigger _900_federation_users_deleted`);
  expect(await gaps()).toEqual(["app.users _900_federation_users_deleted"]);
  await migrateDatabase({ connectionString: database.connectionString });
  expect(await gaps()).toEqual([]);
  await database.pool.query("delete from app.users where id = 'olga'");
  expect(await status()).toBe("revoked");
});

test.each([
  ["has a condition of its own", "after update on app.users for each row when (false)"],
  ["is of another column", "after update of name on app.users for each row when (old.id is distinct from new.id)"],
])("a trigger of updates that %s is missed", async (_what, trigger) => {
  await migrateDatabase({ connectionString: database.connectionString });
  await database.pool.query(`
    drop trigger _900_federation_users_changed on app.users;
    create trigger _900_federation_users_changed ${trigger} execute function federation.tg_users__revoke_grants('id');
    alter table app.users enable always trigger _900_federation_users_changed`);
  expect(await gaps()).toEqual(["app.users _900_federation_users_changed"]);
});

// The embedded database has one login, and one backend: no two transactions of it are open at once.
test.skipIf(inject("template").kind === "pglite")(
  "tables that the migrating role does not own, or that are in use for long, stay as they are, and it migrates all the same",
  async () => {
    const migrate = async (url: string): Promise<string[]> => {
      const lines: string[] = [];
      await migrateDatabase({ connectionString: url, log: (line) => lines.push(line) });
      return lines;
    };
    const role = `migrating_${database.connectionString.slice(-12)}`;
    const { rows } = await database.pool.query<{ name: string }>("select current_database() as name");
    const name = only(rows).name;
    const url = new URL(database.connectionString);
    url.username = role;
    url.password = "x";
    await database.pool.query(`
      create role ${role} login createrole password 'x';
      grant federation_owner, federation_admin to ${role};
      alter database ${name} owner to ${role};
      alter schema graphile_migrate owner to ${role};
      grant select, insert on all tables in schema graphile_migrate to ${role}`);
    try {
      expect(await migrate(url.href)).toHaveLength(1);
      expect(await gaps()).toEqual(ALL);

      const user = new Client({ connectionString: database.connectionString });
      await user.connect();
      await user.query("begin; select from app.users");
      expect(await migrate(database.connectionString)).toHaveLength(1);
      expect(await gaps()).toEqual(ALL);
      await user.end();
      await migrate(database.connectionString);
      expect(await gaps()).toEqual([]);
    } finally {
      await database.pool.query(
        `alter database ${name} owner to postgres; reassign owned by ${role} to postgres; drop owned by ${role}; drop role ${role}`,
      );
    }
  },
);
