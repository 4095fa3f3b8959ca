import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activate, activeGrant, asPeer, asUser, createGrant, inSavepoint, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { shown } from "./grants.ts";
import { only, refusal, visibleIds } from "./verbs.ts";

const PERSONAL = { resources: ["tasks"], include_personal: true };
const TEAM = { resources: ["tasks"], include_teams: ["t1"] };

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t1"] });
  await seedRows(client, "tasks", [
    { owner: "olga", team: "t1" },
    { owner: "olga", team: null },
  ]);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

async function state(client: PoolClient, grant: Pick<Grant, "id">): Promise<string> {
  const { status, end_reason } = await shown(client, grant.id);
  return [status, end_reason].filter((part) => typeof part === "string").join(": ");
}

const DELETED = "revoked: subject deleted";
const LEFT = "revoked: subject left the last team";

/** Tables of users and of memberships that are marked as deleted, in a schema of their own, bound; and one resource. */
async function bindMarked(client: PoolClient, kind: string, options: { key?: string; partitioned?: boolean } = {}) {
  const { key = "text", partitioned = false } = options;
  await client.query(`
    create schema "Other Shop";
    create table "Other Shop"."The People" ("Id" ${key} primary key, "Gone" ${kind}, name text) ${partitioned ? 'partition by hash ("Id")' : ""};
    create table "Other Shop".crews (person ${key}, crew text, gone ${kind});
    create index on "Other Shop".crews (person);
    ${
      partitioned
        ? `create table "Other Shop".people_0 partition of "Other Shop"."The People" for values with (modulus 2, remainder 0);
           create table "Other Shop".people_1 partition of "Other Shop"."The People" for values with (modulus 2, remainder 1);`
        : ""
    }
    select federation.bind_identity('"Other Shop"."The People"', 'Id', '"Other Shop".crews', 'person', 'crew', 'Gone', 'gone')`);
}

const KINDS = [
  ["boolean", "true"],
  ["timestamptz", "now()"],
  ["date", "'infinity'"],
] as const;

describe("a subject that is marked as deleted", () => {
  test.each(KINDS)("by a column of type %s loses its grants at once, for good, and is nobody", async (kind, gone) => {
    await database.transaction(async (client) => {
      await bindMarked(client, kind);
      await client.query(
        `insert into "Other Shop"."The People" values ('olga', null), ('mia', null), ('nils', ${gone})`,
      );
      expect(await refusal(createGrant(client, "nils", PERSONAL))).toBe("SUBJECT_UNKNOWN");
      const grant = await activeGrant(client, "olga", PERSONAL);
      const pending = await createGrant(client, "olga", PERSONAL);
      const other = await activeGrant(client, "mia", PERSONAL);
      expect(await asUser(client, "olga", () => Promise.resolve("in"))).toBe("in");
      await client.query(`update "Other Shop"."The People" set name = 'Olga' where "Id" = 'olga'`);
      expect(await state(client, grant)).toBe("active");
      await client.query(`update "Other Shop"."The People" set "Gone" = ${gone} where "Id" = 'olga'`);
      expect([await state(client, grant), await state(client, pending)]).toEqual([DELETED, DELETED]);
      expect(await refusal(asUser(client, "olga", () => Promise.resolve("in")))).toBe("SUBJECT_UNKNOWN");
      expect(await state(client, other)).toBe("active");
      await client.query(`update "Other Shop"."The People" set "Gone" = null where "Id" = 'olga'`);
      expect(await state(client, grant)).toBe(DELETED);
      expect(await state(client, await activeGrant(client, "olga", PERSONAL))).toBe("active");
    });
  });

  test("by a trigger of the application, where the statement names another column, is deleted too", async () => {
    await database.transaction(async (client) => {
      await bindMarked(client, "boolean");
      await client.query(`
        create function "Other Shop".mark() returns trigger language plpgsql as 'begin new."Gone" := new.name = ''left''; return new; end';
        create trigger mark before update on "Other Shop"."The People" for each row execute function "Other Shop".mark();
        insert into "Other Shop"."The People" values ('olga', false)`);
      const grant = await activeGrant(client, "olga", PERSONAL);
      await client.query(`update "Other Shop"."The People" set name = 'left'`);
      expect(await state(client, grant)).toBe(DELETED);
    });
  });

  test("cannot be told by a column that is neither a boolean nor a time, or that is not there", async () => {
    await database.transaction(async (client) => {
      for (const args of [
        "'app.users', 'id', user_deleted_column => 'email'",
        "'app.users', 'id', user_deleted_column => 'nothing'",
        "'app.users', 'id', 'app.memberships', 'user_id', 'team_id', member_deleted_column => 'role'",
        "'app.users', 'id', member_deleted_column => 'role'",
      ]) {
        const binding = inSavepoint(client, () => client.query(`select federation.bind_identity(${args})`), "rollback");
        expect(await refusal(binding), args).toBe("RESOURCE_INVALID");
      }
    });
  });
});

describe("a subject that is deleted", () => {
  test.each([
    ["uuid", "11111111-1111-4111-8111-11111111111A", "11111111-1111-4111-8111-11111111111a"],
    ["integer", "05", "5"],
    ["numeric(20,2)", "1.1", "1.10"],
    ["text", "05", "05"],
    ["char(5)", "AB", "AB"],
  ])("loses its grants where keys are of type %s, however %s was written", async (key, asked, kept) => {
    await database.transaction(async (client) => {
      await bindMarked(client, "boolean", { key });
      await client.query(`insert into "Other Shop"."The People" values ($1)`, [asked]);
      const grant = await activate(client, await createGrant(client, asked, PERSONAL));
      expect((await shown(client, grant.id))["subject_user_id"]).toBe(kept);
      await client.query(`delete from "Other Shop"."The People"`);
      expect(await state(client, grant)).toBe(DELETED);
    });
  });

  test.each([
    [`delete from "Other Shop"."The People"`, true],
    [`delete from "Other Shop".people_0; delete from "Other Shop".people_1`, true],
    [`truncate "Other Shop"."The People"`, true],
    [`truncate "Other Shop".people_0, "Other Shop".people_1`, true],
    [`update "Other Shop".people_0 set "Gone" = true; update "Other Shop".people_1 set "Gone" = true`, true],
    [`update "Other Shop"."The People" set name = 'x'`, false],
  ])("loses its grants where its table is partitioned: %s", async (statement, over) => {
    await database.transaction(async (client) => {
      await bindMarked(client, "boolean", { partitioned: true });
      await client.query(`insert into "Other Shop"."The People" select i::text from generate_series(1, 20) i`);
      const grants = [await activeGrant(client, "1", PERSONAL), await activeGrant(client, "2", PERSONAL)];
      grants.push(await activeGrant(client, "3", PERSONAL), await activeGrant(client, "4", PERSONAL));
      await client.query(statement);
      for (const grant of grants) {
        expect(await state(client, grant)).toBe(over ? DELETED : "active");
      }
    });
  });

  test("is there still when its row has only moved to another partition", async () => {
    await database.transaction(async (client) => {
      await client.query(`
        create table app.movers (id text, place integer) partition by list (place);
        create table app.movers_1 partition of app.movers for values in (1);
        create table app.movers_2 partition of app.movers for values in (2);
        insert into app.movers values ('olga', 1);
        select federation.bind_identity('app.movers', 'id')`);
      const grant = await activeGrant(client, "olga", PERSONAL);
      await client.query("update app.movers set place = 2");
      expect((await client.query("select from app.movers_2")).rowCount).toBe(1);
      expect(await state(client, grant)).toBe("active");
      await client.query("delete from app.movers");
      expect(await state(client, grant)).toBe(DELETED);
    });
  });

  test.each(["delete from app.users", "update app.users set id = id || '2'", "truncate app.users cascade"])(
    "loses its grants where triggers are off for replication: %s",
    async (statement) => {
      await database.transaction(async (client) => {
        const grant = await activeGrant(client, "olga", PERSONAL);
        await client.query(`set local session_replication_role = replica; ${statement}`);
        expect(await state(client, grant)).toBe(DELETED);
      });
    },
  );

  test("loses its grants by a cascade and in bulk", async () => {
    await database.transaction(async (client) => {
      await client.query(`
        create table app.companies (id integer primary key);
        create table app.staff (id text primary key, company integer references app.companies on delete cascade);
        create index on app.staff (company);
        insert into app.companies values (1), (2), (3);
        insert into app.staff select i::text, 1 + i % 3 from generate_series(1, 300) i;
        select federation.bind_identity('app.staff', 'id')`);
      const [one, two, three] = [
        await activeGrant(client, "3", PERSONAL),
        await activeGrant(client, "1", PERSONAL),
        await activeGrant(client, "2", PERSONAL),
      ];
      await client.query("delete from app.companies where id = 1");
      expect([await state(client, one), await state(client, two)]).toEqual([DELETED, "active"]);
      await client.query("delete from app.staff where company = 2");
      expect([await state(client, two), await state(client, three)]).toEqual([DELETED, "active"]);
    });
  });
});

describe("a subject that leaves the last team of a grant", () => {
  const LEAVING = [
    "delete from app.memberships where user_id = 'olga' and team_id = 't1'",
    "delete from app.teams where id = 't1'",
    "update app.memberships set team_id = 't3' where user_id = 'olga' and team_id = 't1'",
    "update app.memberships set user_id = 'nils' where user_id = 'olga' and team_id = 't1'",
    "truncate app.memberships",
    "set local session_replication_role = replica; delete from app.memberships where user_id = 'olga'",
    "set local session_replication_role = replica; update app.memberships set team_id = 't3' where team_id = 't1'",
    "set local session_replication_role = replica; truncate app.memberships",
  ];
  test.each(LEAVING)("loses the grant: %s", async (statement) => {
    await database.transaction(async (client) => {
      await client.query("delete from app.tasks");
      await seedPeople(client, { nils: ["t3"] });
      const grant = await activeGrant(client, "olga", TEAM);
      const pending = await createGrant(client, "olga", TEAM);
      const personal = await activeGrant(client, "olga", { ...TEAM, include_personal: true });
      const none = await activeGrant(client, "olga", { resources: ["tasks"], include_teams: [] });
      const silent = await activeGrant(client, "olga", { resources: ["tasks"] });
      await client.query(statement);
      expect([await state(client, grant), await state(client, pending)]).toEqual([LEFT, LEFT]);
      for (const other of [personal, none, silent]) {
        expect(await state(client, other)).toBe("active");
      }
    });
  });

  test("keeps a grant that still has one of its teams, until that is left, too", async () => {
    await database.transaction(async (client) => {
      const [two, any] = [
        await activeGrant(client, "olga", { ...TEAM, include_teams: ["t1", "t2"] }),
        await activeGrant(client, "olga", { ...TEAM, include_teams: "*" }),
      ];
      const others = await activeGrant(client, "mia", TEAM);
      for (const [team, expected] of [
        ["t1", "active"],
        ["t2", LEFT],
      ] as const) {
        await client.query("delete from app.memberships where user_id = 'olga' and team_id = $1", [team]);
        expect([await state(client, two), await state(client, any)]).toEqual([expected, expected]);
      }
      expect(await state(client, others)).toBe("active");
    });
  });

  test("keeps a grant for a team that is still to come, whichever other it leaves", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", { ...TEAM, include_teams: ["t9"] });
      await client.query("delete from app.memberships where user_id = 'olga'");
      expect(await state(client, grant)).toBe("active");
    });
  });

  test("and is deleted with it, is said to be deleted", async () => {
    await database.transaction(async (client) => {
      await client.query("delete from app.tasks");
      const grant = await activeGrant(client, "olga", TEAM);
      await client.query("delete from app.users where id = 'olga'");
      expect(await state(client, grant)).toBe(DELETED);
    });
  });

  test.each(KINDS)("by a mark of type %s loses it, is out of the team, and is not out twice", async (kind, gone) => {
    await database.transaction(async (client) => {
      await bindMarked(client, kind);
      await client.query(`
        insert into "Other Shop"."The People" values ('olga'), ('mia');
        insert into "Other Shop".crews values ('olga', 't1'), ('olga', 't2'), ('mia', 't1')`);
      const grant = await activeGrant(client, "olga", TEAM);
      const mark = (team: string): Promise<unknown> =>
        client.query(`update "Other Shop".crews set gone = ${gone} where person = 'olga' and crew = $1`, [team]);
      await mark("t2");
      expect(await state(client, grant)).toBe("active");
      await mark("t1");
      expect(await state(client, grant)).toBe(LEFT);
      const { rows } = await client.query(
        "select federation.subject_teams('olga') as hers, federation.subject_teams('mia') as others",
      );
      expect(rows).toEqual([{ hers: [], others: ["t1"] }]);
      const later = await activeGrant(client, "olga", TEAM);
      await client.query(`delete from "Other Shop".crews where person = 'olga'`);
      expect(await state(client, later)).toBe("active");
    });
  });

  test("by a view loses its rows at once, though no trigger can revoke the grant; whoever binds it is warned", async () => {
    await database.transaction(async (client) => {
      const notices: string[] = [];
      client.on("notice", ({ severity }) => notices.push(severity ?? ""));
      await client.query("create view app.members as select user_id, team_id from app.memberships");
      await client.query("select federation.bind_identity('app.users', 'id', 'app.members', 'user_id', 'team_id')");
      expect(notices).toEqual(["WARNING"]);
      client.removeAllListeners("notice");
      const grant = await activeGrant(client, "olga", TEAM);
      const read = (): Promise<string[]> => asPeer(client, grant, () => visibleIds(client, "tasks"));
      expect(await read()).toHaveLength(1);
      await client.query("delete from app.memberships where user_id = 'olga'");
      expect(await state(client, grant)).toBe("active");
      expect(await read()).toEqual([]);
    });
  });

  // The embedded database has one backend: no two transactions of it are open at once.
  test.skipIf(inject("template").kind === "pglite")("loses it to the second of two who each take a team", async () => {
    const [first, second] = [await database.pool.connect(), await database.pool.connect()];
    try {
      await first.query("begin");
      await seedPeople(first, { pia: ["t1", "t2"] });
      const scope: Scope = { resources: ["tasks"], include_teams: ["t1", "t2"] };
      const grant = await activeGrant(first, "pia", scope);
      await first.query("commit");
      const leave = (client: PoolClient, team: string): Promise<unknown> =>
        client.query("delete from app.memberships where user_id = 'pia' and team_id = $1", [team]);
      await first.query("begin");
      await leave(first, "t1");
      await second.query("begin");
      const leaving = leave(second, "t2");
      await new Promise((resolve) => setTimeout(resolve, 100));
      await first.query("commit");
      await leaving;
      await second.query("commit");
      const { rows } = await first.query("select status from federation.federation_grants where id = $1", [grant.id]);
      expect(only(rows)).toEqual({ status: "revoked" });
    } finally {
      first.release();
      second.release();
    }
  });
});
