import { randomBytes } from "node:crypto";
import type { DatabaseError, PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { get, list, listAll, only, refusal } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const SUBJECT = "(select current_setting('app.user_id', true))";
const MEMBERS_TEAMS = `select m.team from app.members m where m.user_id = ${SUBJECT}`;

/** Papers of a person and of two teams, of which the policy of the papers reads in another table. */
async function makePapers(client: PoolClient, teams: string): Promise<Grant> {
  await seedPeople(client, { olga: ["A"], ned: ["B"] });
  await client.query(
    `create table app.members (user_id text, team text);
     insert into app.members values ('olga', 'A');
     create table app.papers (id integer primary key, team text, owner_id text);
     insert into app.papers values (1, 'A', 'ned'), (2, 'B', 'ned'), (3, null, 'olga');
     alter table app.papers enable row level security`,
  );
  await client.query(teams);
  await client.query(
    `select federation.register_resource(name => 'papers', table_id => 'app.papers', team => 'team',
       identity_settings => '{"settings": {"app.user_id": "{subject}"}}')`,
  );
  return activeGrant(client, "olga", { resources: ["papers"], include_personal: true, include_teams: "*" });
}

/** What `list` serves in the order of the resource, and `get` as well. */
async function served(client: PoolClient, grant: Grant): Promise<unknown[]> {
  return asPeer(client, grant, async () => {
    const listed = (await list(client, "papers")).rows.map(({ id }) => id);
    for (const id of [1, 2, 3]) {
      if (listed.includes(id)) {
        expect(await get(client, "papers", String(id))).toHaveProperty("id", id);
      } else {
        await client.query("savepoint hidden");
        expect(await refusal(get(client, "papers", String(id)))).toBe("NOT_FOUND");
        await client.query("rollback to hidden");
      }
    }
    return listed;
  });
}

async function plain(client: PoolClient, grant: Grant): Promise<unknown[]> {
  return asPeer(client, grant, async () =>
    (await client.query<{ id: number }>("select id from app.papers order by id")).rows.map(({ id }) => id),
  );
}

async function isPrepared(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ is_prepared: boolean }>(
    "select is_prepared from federation.describe_resource('papers')",
  );
  return only(rows).is_prepared;
}

const OWN_OR_TEAM = `create policy d on app.papers for select using (owner_id = ${SUBJECT} or team in (${MEMBERS_TEAMS}))`;

describe("which roles somebody has is asked at each request:", () => {
  test.each([
    {
      name: "the peer's, which a policy names, of a table that the resource's policy reads",
      make: `create role reader; grant reader to federation_peer;
        alter table app.members enable row level security; create policy m on app.members for select to reader using (true);
        grant select on app.members to federation_peer; ${OWN_OR_TEAM}`,
      has: [1, 3],
      change: "revoke reader from federation_peer",
      hasThen: [3],
    },
    {
      name: "the peer's by another role",
      make: `create role reader; create role between; grant reader to between; grant between to federation_peer;
        alter table app.members enable row level security; create policy m on app.members for select to reader using (true);
        grant select on app.members to federation_peer; ${OWN_OR_TEAM}`,
      has: [1, 3],
      change: "revoke reader from between",
      hasThen: [3],
    },
    {
      name: "one that is given, and that a restrictive policy names",
      make: `create role reader;
        alter table app.members enable row level security; create policy m on app.members for select using (true);
        create policy n on app.members as restrictive for select to reader using (false);
        grant select on app.members to federation_peer; ${OWN_OR_TEAM}`,
      has: [1, 3],
      change: "grant reader to federation_peer",
      hasThen: [3],
    },
    {
      name: "that of a table's owner, whom no policy binds",
      make: `create role reader; grant reader to federation_peer; alter table app.members owner to reader;
        alter table app.members enable row level security;
        grant select on app.members to federation_peer; ${OWN_OR_TEAM}`,
      has: [1, 3],
      change: "revoke reader from federation_peer",
      hasThen: [3],
    },
    {
      name: "those of the owner of a view that the resource's policy reads",
      make: `create role reader; create role viewer; grant reader to viewer; grant usage on schema app to viewer;
        alter table app.members enable row level security; create policy m on app.members for select to reader using (true);
        grant select on app.members to viewer;
        create view app.teams_of as select m.user_id, m.team from app.members m; alter view app.teams_of owner to viewer;
        grant select on app.teams_of to federation_peer;
        ${OWN_OR_TEAM.replace("app.members", "app.teams_of")}`,
      has: [1, 3],
      change: "revoke reader from viewer",
      hasThen: [3],
    },
  ])("$name", async ({ make, has, change, hasThen }) => {
    await database.transaction(async (client) => {
      // Roles are those of all databases of a server.
      const unique = randomBytes(4).toString("hex");
      const named = (text: string): string => text.replace(/\b(reader|viewer|between)\b/g, `$1_${unique}`);
      const grant = await makePapers(client, named(make));
      expect(await isPrepared(client)).toBe(true);
      expect(await served(client, grant)).toEqual(has);
      await client.query(named(change));
      expect(await served(client, grant)).toEqual(hasThen);
      expect(await plain(client, grant)).toEqual(hasThen);
      expect(await isPrepared(client)).toBe(false);
      // Written anew, nothing is left of what was planned before.
      await client.query("select federation.prepare_resources()");
      expect(await isPrepared(client)).toBe(true);
      expect(await served(client, grant)).toEqual(hasThen);
    });
  });
});

test("what was planned while row-level security did not bind peers is served no longer", async () => {
  await database.transaction(async (client) => {
    await client.query("alter role federation_peer bypassrls");
    const grant = await makePapers(client, `${OWN_OR_TEAM}; grant select on app.members to federation_peer`);
    await asPeer(client, grant, async () => {
      expect(await get(client, "papers", "2")).toHaveProperty("id", 2);
    });
    await client.query("alter role federation_peer nobypassrls");
    expect(await isPrepared(client)).toBe(false);
    expect(await served(client, grant)).toEqual([1, 3]);
    await client.query("select federation.prepare_resources()");
    expect(await served(client, grant)).toEqual([1, 3]);
  });
});

describe("another name of what a policy refers to, in the same policy:", () => {
  const MINE = `create function app.mine(owner_id text) returns boolean language plpgsql stable as $$
    begin return owner_id = current_setting('app.user_id', true); end $$`;
  const MINE_OR_TEAM = `${MINE}; create policy d on app.papers for select using (app.mine(owner_id) or team in (${MEMBERS_TEAMS}));
    grant select on app.members to federation_peer`;

  test.each([
    ["a function", "alter function app.mine(text) rename to ours"],
    [
      "a function, and another one by its name",
      `alter function app.mine(text) rename to ours;
       create function app.mine(owner_id text) returns boolean language sql stable as $$ select false $$`,
    ],
    [
      "a function in another schema",
      "create schema other; grant usage on schema other to public; alter function app.mine(text) set schema other",
    ],
    ["a table", "alter table app.members rename to membership"],
  ])("%s", async (_, change) => {
    await database.transaction(async (client) => {
      const grant = await makePapers(client, MINE_OR_TEAM);
      const { rows } = await client.query("select personal_condition from federation.describe_resource('papers')");
      expect(only(rows)).toEqual({ personal_condition: "app.mine(owner_id)" });
      expect(await served(client, grant)).toEqual([1, 3]);
      await client.query(change);
      expect(await plain(client, grant)).toEqual([1, 3]);
      expect(await served(client, grant)).toEqual([1, 3]);
      const ordered = await asPeer(client, grant, () => list(client, "papers", { order: [{ column: "team" }] }));
      expect(ordered.rows.map(({ id }) => id)).toEqual([1, 3]);
      await client.query("select federation.prepare_resources()");
      expect(await isPrepared(client)).toBe(true);
      expect(await served(client, grant)).toEqual([1, 3]);
    });
  });
});

describe("a table that is no longer as it was registered", () => {
  const CHANGES = [
    "rename column at to made_at",
    "drop column at cascade",
    "rename column id to number",
    "drop column id cascade",
  ];

  async function register(client: PoolClient, name: string): Promise<void> {
    await client.query(
      `create table app.${name} (id integer primary key, owner_id text not null, at timestamptz not null default now());
       select federation.register_resource(name => '${name}', table_id => 'app.${name}', owner => 'owner_id', order_by => '[{"column": "at"}]')`,
    );
  }

  test.each(CHANGES)("is told of, is not prepared, and keeps no other from being: %s", async (change) => {
    await database.transaction(async (client) => {
      await register(client, "broken");
      await register(client, "whole");
      await client.query(`alter table app.broken ${change}; alter table app.whole rename column owner_id to owned_by`);
      const { rows } = await client.query<{ resource: string }>("select * from federation.prepare_resources()");
      expect(rows).toEqual([{ resource: "broken", reason: expect.stringMatching(/./) as string }]);
      const prepared = await client.query(
        "select resource_name from federation.federation_prepared_resources where resource_name in ('broken', 'whole')",
      );
      expect(prepared.rows).toEqual([{ resource_name: "whole" }]);
      const { rows: functions } = await client.query(
        "select proname from pg_proc where pronamespace = 'federation_prepared'::regnamespace and proname ~ 'broken|whole' order by 1",
      );
      expect(functions).toEqual([{ proname: "whole_get" }, { proname: "whole_list" }, { proname: "whole_mark" }]);
      // Its registration can still be changed.
      await client.query(
        "update federation.federation_resources set columns = array_remove(columns, 'at') where name = 'broken'",
      );
    });
  });

  test("keeps no gateway from starting, not even one of another release, and is told of at each start", async () => {
    await database.committed((client) => register(client, "broken"));
    await database.pool.query("alter table app.broken rename column at to made_at");
    for (const hash of ["that of this release", "another"]) {
      if (hash === "another") {
        await database.pool.query(
          "update federation.federation_settings set value = 'another' where name = 'sql_hash'",
        );
      }
      const told: string[] = [];
      await migrateDatabase({ connectionString: database.connectionString, log: (line) => told.push(line) });
      expect(told.filter((line) => line.includes("cannot be prepared"))).toEqual([expect.stringContaining("broken")]);
    }
    await database.pool.query("alter table app.broken rename column made_at to at");
    const told: string[] = [];
    await migrateDatabase({ connectionString: database.connectionString, log: (line) => told.push(line) });
    expect(told).toEqual([]);
  });
});

test("a column that is not null for new rows only is paged by as one that may be null", async () => {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    await client.query(
      `create table app.papers (id integer primary key, owner_id text not null, due date);
       insert into app.papers select n, 'olga', case when n % 3 > 0 then date '2026-01-01' + n end from generate_series(1, 12) as n`,
    );
    const { rows } = await client.query<{ version: number }>(
      "select current_setting('server_version_num')::integer as version",
    );
    const constrain = client.query(
      "savepoint before; alter table app.papers add constraint due_there not null due not valid",
    );
    if (only(rows).version < 180000) {
      // Before, there is no such constraint.
      expect(
        await constrain.then(
          () => undefined,
          (error: unknown) => (error as DatabaseError).code,
        ),
      ).toBe("42601");
      return;
    }
    await constrain;
    const isKey = await client.query<{ is_key: boolean }>(
      "create unique index on app.papers (due); select federation.is_unique_key('app.papers', 'due') as is_key",
    );
    expect((isKey as unknown as (typeof isKey)[])[1]?.rows).toEqual([{ is_key: false }]);
    await client.query(
      `select federation.register_resource(name => 'papers', table_id => 'app.papers', owner => 'owner_id', order_by => '[{"column": "due"}]')`,
    );
    const grant = await activeGrant(client, "olga", { resources: ["papers"], include_personal: true });
    const pagesOf = (): Promise<unknown[]> =>
      asPeer(client, grant, async () => (await listAll(client, "papers", { first: 5 })).map(({ id }) => id));
    const all = [1, 2, 4, 5, 7, 8, 10, 11, 3, 6, 9, 12];
    expect(await pagesOf()).toEqual(all);
    // Valid for all rows, and then for new ones only: the column looks the same.
    await client.query(
      "update app.papers set due = date '2027-01-01' + id where due is null; set constraints all immediate; alter table app.papers validate constraint due_there; select federation.prepare_resources()",
    );
    expect(await pagesOf()).toEqual(all);
    await client.query(
      "alter table app.papers drop constraint due_there; update app.papers set due = null where id % 3 = 0; alter table app.papers add constraint due_there not null due not valid",
    );
    expect(await isPrepared(client)).toBe(false);
    expect(await pagesOf()).toEqual(all);
  });
});
