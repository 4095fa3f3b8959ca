import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { get, list, only, refusal } from "./verbs.ts";

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
