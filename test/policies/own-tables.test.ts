import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { RESOURCES, activeGrant, asRole, createGrant, seedPeople, seedRows } from "./actors.ts";
import type { Resource } from "./actors.ts";
import { only, refusal } from "./verbs.ts";

const DENIED = "42501";
const OTHERS = ["federation_peer", "federation_user", "federation_gateway", "federation_worker", "federation_admin"];

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1"], mia: ["t2"] });
  for (const resource of Object.keys(RESOURCES) as Resource[]) {
    await seedRows(client, resource, [{ owner: "olga", team: "t1" }]);
  }
  await activeGrant(client, "olga", { resources: ["tasks"] });
  await createGrant(client, "olga", { resources: ["tasks"] });
  await client.query(`
    select federation.add_peer(gen_random_uuid(), 'olga', 'work.example.org', 'https://w', 'https://w', gen_random_uuid(), '\\x00', '{}', '00',
      now() + interval '1 day', '\\x00');
    select federation.create_user_token('olga');
    select federation.add_authority(gen_random_uuid(), 'embedded', '\\x00', repeat('0', 64), '\\x00');
    select federation.append_audit('[{"verb": "list", "outcome": "served", "code": "OK"}]');
    insert into federation.federation_search_documents values ('tasks', '1', '', '');
    select federation.report_gateway(gen_random_uuid(), 'here', now(), '{}');
    insert into federation.federation_crls select id, 'embedded', fingerprint, 1, '\\x00', now(), now() + interval '1 day' from federation.federation_authorities;
    insert into federation.federation_restored_revocations values ('00', now(), 'unspecified', now());
    with ann as (
      insert into federation.federation_administrators (name, token_hash, created_by) values ('ann', decode(repeat('0', 64), 'hex'), 'test') returning id
    ) insert into federation.federation_browser_sessions (session_hash, administrator_id, signed_in_by, expires_at)
        select decode(repeat('0', 64), 'hex'), id, 'token', now() + interval '1 hour' from ann;
    insert into federation.federation_alerts (severity, code, subject, message) values ('warning', 'TEST', 'x', 'x');
    create table federation.federation_audit_archive_test partition of federation.federation_audit_archive default;
    insert into federation.federation_audit_archive select * from federation.federation_audit_log;
  `);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** Every table of the federation that has the rows of its own protection; a partition that was made above has not. */
async function tables(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `select oid::regclass::text as id from pg_class
     where relnamespace = 'federation'::regnamespace and relkind in ('r', 'p') and relname !~ '_test$' order by relname`,
  );
  expect(rows.length).toBeGreaterThan(12);
  return rows.map(({ id }) => id);
}

async function count(client: PoolClient, table: string): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${table}`);
  return Number(only(rows).n);
}

describe("tables of the federation", () => {
  test("are closed to every role but federation_owner", async () => {
    await database.transaction(async (client) => {
      await client.query("create role newcomer");
      for (const table of await tables(client)) {
        expect(await count(client, table), table).toBeGreaterThan(0);
        for (const role of [...OTHERS, "newcomer"]) {
          for (const verb of [
            `select from ${table}`,
            `insert into ${table} default values`,
            `delete from ${table}`,
            `truncate ${table} cascade`,
          ]) {
            expect(await refusal(asRole(client, role, () => client.query(verb))), `${role}: ${verb}`).toBe(DENIED);
          }
        }
      }
    });
  });

  test("show no row even to a role that was given privileges by mistake", async () => {
    await database.transaction(async (client) => {
      await client.query("create role newcomer; grant usage on schema federation to newcomer");
      await client.query("grant all on all tables in schema federation to newcomer, federation_peer");
      for (const table of await tables(client)) {
        for (const role of ["newcomer", "federation_peer"]) {
          expect(await asRole(client, role, () => count(client, table)), `${role} ${table}`).toBe(0);
        }
      }
    });
  });

  test("are whole to federation_owner, whose functions are the way in", async () => {
    await database.transaction(async (client) => {
      for (const table of await tables(client)) {
        const whole = await count(client, table);
        expect(whole, table).toBeGreaterThan(0);
        expect(await asRole(client, "federation_owner", () => count(client, table)), table).toBe(whole);
      }
    });
  });
});

describe("the audit log", () => {
  const LOG = "federation.federation_audit_log";
  const changes = (table: string): string[] => [
    `update ${table} set code = 'CHANGED'`,
    `update ${table} set at = at + interval '1 second'`,
    `delete from ${table}`,
    `truncate ${table}`,
  ];

  test.each(["postgres", "federation_owner"])("takes rows and gives none up, even to %s", async (role) => {
    await database.transaction(async (client) => {
      const before = await count(client, LOG);
      expect(before).toBeGreaterThan(0);
      for (const change of [...changes(LOG), ...changes(`${LOG}_default`)]) {
        expect(await refusal(asRole(client, role, () => client.query(change))), change).toBe("CONFLICT");
      }
      expect(await count(client, LOG)).toBe(before);
    });
  });

  test.each(OTHERS)("is changed by %s no more than read", async (role) => {
    await database.transaction(async (client) => {
      const before = await count(client, LOG);
      expect(before).toBeGreaterThan(0);
      for (const change of [
        ...changes(LOG),
        `select from ${LOG}`,
        `insert into ${LOG} (verb, outcome, code) values ('list', 'served', 'OK')`,
      ]) {
        expect(await refusal(asRole(client, role, () => client.query(change))), change).toBe(DENIED);
      }
      expect(await count(client, LOG)).toBe(before);
    });
  });

  test("refuses to be emptied whatever partitions it has", async () => {
    await database.transaction(async (client) => {
      await client.query(`
        alter table ${LOG} detach partition ${LOG}_default;
        create table federation.another_test partition of ${LOG} for values from (minvalue) to (maxvalue);
        insert into ${LOG} (verb, outcome, code) values ('get', 'denied', 'NOT_FOUND')`);
      for (const change of [...changes(LOG), `delete from federation.another_test`]) {
        expect(await refusal(asRole(client, "postgres", () => client.query(change))), change).toBe("CONFLICT");
      }
      expect(await count(client, LOG)).toBe(1);
    });
  });

  test("is appended to by the gateway, and read by administrators through its function", async () => {
    await database.transaction(async (client) => {
      await asRole(client, "federation_gateway", () =>
        client.query(
          `select federation.append_audit('[{"verb": "get", "resource": "tasks", "outcome": "denied", "code": "NOT_FOUND"}]')`,
        ),
      );
      const { rows } = await asRole(client, "federation_admin", () =>
        client.query("select verb, resource, code from federation.list_audit(null, 1)"),
      );
      expect(rows).toEqual([{ verb: "get", resource: "tasks", code: "NOT_FOUND" }]);
    });
  });
});

describe("the sample application", () => {
  test("shows a signed-in user the user, teams, memberships and rows that are theirs, its owner being no exception", async () => {
    await database.transaction(async (client) => {
      const seen = (user: string): Promise<Record<string, number>> =>
        asRole(
          client,
          "app_owner",
          async () => {
            await client.query("select set_config('app.user_id', $1, true)", [user]);
            const counts: Record<string, number> = {};
            for (const table of ["users", "teams", "memberships", "tasks", "notes", "projects", "credentials"]) {
              counts[table] = await count(client, `app.${table}`);
            }
            return counts;
          },
          "rollback",
        );
      const mine = { users: 1, teams: 1, memberships: 1, tasks: 1, notes: 1, projects: 1, credentials: 1 };
      const rows = { tasks: 0, notes: 0, projects: 0, credentials: 0 };
      expect(await count(client, "app.users")).toBe(2);
      expect(await seen("olga")).toEqual(mine);
      expect(await seen("mia")).toEqual({ ...mine, ...rows });
      expect(await seen("")).toEqual({ users: 0, teams: 0, memberships: 0, ...rows });
    });
  });

  test("tells the federation who exists and who is in which team, whoever it has signed in", async () => {
    await database.transaction(async (client) => {
      for (const signedIn of ["", "olga", "mia"]) {
        await client.query("select set_config('app.user_id', $1, true)", [signedIn]);
        const { rows } = await client.query(`
          select federation.subject_exists('olga') as olga, federation.subject_exists('nobody') as nobody,
            federation.subject_teams('olga') as hers, federation.subject_teams('mia') as others`);
        expect(rows).toEqual([{ olga: true, nobody: false, hers: ["t1"], others: ["t2"] }]);
      }
    });
  });
});
