import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import {
  RESOURCES,
  activeGrant,
  asPeer,
  asRole,
  asUser,
  inSavepoint,
  seedPeople,
  seedRows,
  enterAsPeer,
} from "./actors.ts";
import type { Grant, Resource } from "./actors.ts";
import { get, list, only, refusal, visibleIds } from "./verbs.ts";

const DENIED = "42501";
const ROLES = ["federation_peer", "federation_user", "federation_gateway", "federation_worker", "federation_admin"];
const APP_TABLES = ["users", "teams", "memberships", ...Object.keys(RESOURCES)];

let database: TestDatabase;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1"], mia: ["t1", "t2"] });
  for (const resource of Object.keys(RESOURCES) as Resource[]) {
    await seedRows(client, resource, [{ owner: "olga", team: "t1" }]);
  }
  await seedRows(client, "tasks", [
    { owner: "olga", team: null, label: "olga's own" },
    { owner: "mia", team: "t2", label: "mia's team's" },
  ]);
  grant = await activeGrant(client, "olga", {
    resources: Object.keys(RESOURCES),
    include_teams: "*",
    include_personal: true,
  });
  await activeGrant(client, "mia", { resources: ["notes"], include_teams: ["t2"] });
  for (const user of ["olga", "mia"]) {
    await client.query(
      `select federation.add_peer(gen_random_uuid(), $1, 'work.example.org', 'https://w', 'https://w', gen_random_uuid(), '\\x00', '{}', '00',
         now() + interval '1 day', '\\x00')`,
      [user],
    );
  }
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

async function names(client: PoolClient, query: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(query, values);
  return rows.map(({ name }) => name);
}

/** Runs work in a session that may write, so that nothing but privileges and policies can refuse. */
function inPeerSession<T>(client: PoolClient, role: string, work: () => Promise<T>): Promise<T> {
  return inSavepoint(
    client,
    async () => {
      await enterAsPeer(client, grant);
      return asRole(client, role, work);
    },
    "rollback",
  );
}

describe("tables of the application", () => {
  test("are written by nobody of the federation, in a session or out of it", async () => {
    await database.transaction(async (client) => {
      for (const table of APP_TABLES) {
        expect((await client.query(`select from app.${table}`)).rowCount, table).toBeGreaterThan(0);
        for (const verb of [
          `insert into app.${table} default values`,
          `delete from app.${table}`,
          `truncate app.${table} cascade`,
        ]) {
          for (const role of [...ROLES, "federation_owner"]) {
            expect(await refusal(asRole(client, role, () => client.query(verb))), `${role}: ${verb}`).toBe(DENIED);
          }
        }
      }
      for (const verb of ["update app.tasks set title = 'x'", "delete from app.tasks"]) {
        expect(await refusal(inPeerSession(client, "federation_peer", () => client.query(verb))), verb).toBe(DENIED);
        expect(await refusal(inPeerSession(client, "federation_user", () => client.query(verb))), verb).toBe(DENIED);
      }
    });
  });

  test("that the application let everyone write are still not written by a peer", async () => {
    await database.transaction(async (client) => {
      await client.query("grant all on app.notes to public");
      await client.query("create policy anyone on app.notes using (true) with check (true)");
      for (const verb of [
        "insert into app.notes (title, owner_id) values ('x', 'olga')",
        "update app.notes set title = 'x'",
      ]) {
        expect(await refusal(inPeerSession(client, "federation_peer", () => client.query(verb))), verb).toBe(DENIED);
      }
      expect(await asPeer(client, grant, () => visibleIds(client, "notes"))).toHaveLength(1);
    });
  });

  test("are read by neither gateway, worker nor administrator", async () => {
    await database.transaction(async (client) => {
      for (const role of ["federation_gateway", "federation_worker", "federation_admin"]) {
        for (const table of APP_TABLES) {
          expect(
            await refusal(asRole(client, role, () => client.query(`select from app.${table}`))),
            `${role} ${table}`,
          ).toBe(DENIED);
        }
      }
    });
  });

  test("that are no resource, and columns that are hidden, are read by neither peer nor user", async () => {
    await database.transaction(async (client) => {
      for (const query of [
        "select from app.users",
        "select id from app.teams",
        "select from app.memberships",
        "select secret from app.credentials",
      ]) {
        expect((await client.query(query)).rowCount).toBeGreaterThan(0);
        expect(await refusal(asPeer(client, grant, () => client.query(query))), query).toBe(DENIED);
        expect(await refusal(asUser(client, "olga", () => client.query(query))), query).toBe(DENIED);
      }
      expect(await asPeer(client, grant, () => visibleIds(client, "credentials"))).toHaveLength(1);
    });
  });
});

describe("sessions", () => {
  test("a peer without one is refused every verb", async () => {
    await database.transaction(async (client) => {
      const [id = ""] = await visibleIds(client, "tasks");
      for (const verb of [
        (): Promise<unknown> => list(client, "tasks"),
        () => get(client, "tasks", id),
        () => client.query("select federation_api.capabilities()"),
      ]) {
        expect(await refusal(asRole(client, "federation_peer", verb))).toBe("GRANT_UNKNOWN");
      }
    });
  });

  test("a local user sees the peers, grants and rows of no other user", async () => {
    await database.transaction(async (client) => {
      const seen = (user: string): Promise<unknown> =>
        asUser(client, user, async () => ({
          peers: (await client.query("select from home_api.peers")).rowCount,
          scopes: await names(client, "select scope ->> 'include_teams' as name from home_api.grants"),
          tasks: (await names(client, "select title as name from app.tasks order by title")).filter(
            (title) => !title.startsWith("row"),
          ),
        }));
      expect((await client.query("select from federation.federation_peers")).rowCount).toBe(2);
      expect(await seen("olga")).toEqual({ peers: 1, scopes: ["*"], tasks: ["olga's own"] });
      expect(await seen("mia")).toEqual({ peers: 1, scopes: ['["t2"]'], tasks: ["mia's team's"] });
    });
  });

  test("a local user without one, or under a peer's, sees no peer and no grant", async () => {
    await database.transaction(async (client) => {
      const count = (): Promise<unknown> =>
        asRole(client, "federation_user", async () =>
          only(
            (
              await client.query(
                "select (select count(*) from home_api.peers) + (select count(*) from home_api.grants) as n",
              )
            ).rows,
          ),
        );
      expect(await count()).toEqual({ n: "0" });
      await enterAsPeer(client, grant);
      expect(await count()).toEqual({ n: "0" });
    });
  });
});
