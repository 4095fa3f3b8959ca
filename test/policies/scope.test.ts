import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asRole, createGrant, seedPeople, seedRows } from "./actors.ts";
import { only, refusal, visibleIds } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

beforeEach(async () => {
  const client = await database.pool.connect();
  await client.query("truncate app.users, app.teams cascade");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t1"] });
  client.release();
});

test.each<[string, unknown]>([
  ["no object", []],
  ["text", "tasks"],
  ["null", null],
  ["without resources", {}],
  ["with no resource", { resources: [] }],
  ["with one name for a list", { resources: "tasks" }],
  ["with a number for a name", { resources: [1] }],
  ["with a name of no length", { resources: [""] }],
  ["with an unknown resource", { resources: ["tasks", "salaries"] }],
  ["with a resource in capitals", { resources: ["Tasks"] }],
  ["with an unknown resource excluded", { resources: ["tasks"], excluded_resources: ["salaries"] }],
  ["with every resource", { resources: "*" }],
  ["with an unknown key", { resources: ["tasks"], include_all: true }],
  ["with a key in capitals", { resources: ["tasks"], Include_Personal: true }],
  ["with a word for include_personal", { resources: ["tasks"], include_personal: "true" }],
  ["with null for include_personal", { resources: ["tasks"], include_personal: null }],
  ["with one team for a list", { resources: ["tasks"], include_teams: "t1" }],
  ["with numbers for teams", { resources: ["tasks"], include_teams: [1] }],
  ["with null for include_teams", { resources: ["tasks"], include_teams: null }],
])("a scope %s is refused when the grant is created", async (_, scope) => {
  await database.transaction(async (client) => {
    expect(await refusal(createGrant(client, "olga", scope as Record<string, unknown>))).toBe("SCOPE_INVALID");
    expect((await client.query("select from federation.federation_grants")).rowCount).toBe(0);
    await createGrant(client, "olga", { resources: ["tasks"] });
  });
});

test.each([
  { what: "for a user who is not there", code: "SUBJECT_UNKNOWN", subject: "nobody", end: null },
  { what: "for nobody", code: "SUBJECT_UNKNOWN", subject: null, end: null },
  { what: "with its end in the past", code: "BAD_REQUEST", subject: "olga", end: new Date(0) },
])("a grant $what is refused as $code", async ({ code, subject, end }) => {
  await database.transaction(async (client) => {
    const creating = asRole(client, "federation_admin", () =>
      client.query(`select * from federation.create_grant($1, 'home', '{"resources": ["tasks"]}', $2)`, [subject, end]),
    );
    expect(await refusal(creating)).toBe(code);
    expect((await client.query("select from app.users")).rowCount).toBe(2);
  });
});

test("a grant is refused as IDENTITY_UNBOUND where no users table is bound", async () => {
  await database.transaction(async (client) => {
    await createGrant(client, "olga", { resources: ["tasks"] });
    await client.query("select federation.unbind_identity()");
    expect(await refusal(createGrant(client, "olga", { resources: ["tasks"] }))).toBe("IDENTITY_UNBOUND");
  });
});

test.each(["", "Home", "home_1", "-home", "home.", "https://home", "a".repeat(254)])(
  "a peer is not named %j",
  async (host) => {
    await database.transaction(async (client) => {
      const creating = asRole(client, "federation_admin", () =>
        client.query("select * from federation.create_grant('olga', $1, '{\"resources\": [\"tasks\"]}')", [host]),
      );
      expect(await refusal(creating)).toBe("BAD_REQUEST");
    });
  },
);

test("a team that the subject joins or leaves is in or out of scope from the next statement on", async () => {
  await database.transaction(async (client) => {
    const row = only(await seedRows(client, "tasks", [{ owner: "olga", team: "t2" }]));
    for (const include_teams of ["*", ["t2"]]) {
      // With personal rows, so that the grant outlives the team; there are none of hers.
      const grant = await activeGrant(client, "mia", { resources: ["tasks"], include_teams, include_personal: true });
      const seen = (): Promise<string[]> => asPeer(client, grant, () => visibleIds(client, "tasks"));
      expect(await seen()).toEqual([]);
      await client.query("insert into app.memberships (user_id, team_id) values ('mia', 't2')");
      expect(await seen()).toEqual([row]);
      await client.query("delete from app.memberships where user_id = 'mia' and team_id = 't2'");
      expect(await seen()).toEqual([]);
    }
  });
});

test("an owned row of a team that the scope leaves out, or that the owner left, is not served", async () => {
  await database.transaction(async (client) => {
    const [one = "", two = ""] = await seedRows(client, "tasks", [
      { owner: "olga", team: "t1" },
      { owner: "olga", team: "t2" },
    ]);
    const grant = await activeGrant(client, "olga", {
      resources: ["tasks"],
      include_teams: ["t1"],
      include_personal: true,
    });
    expect(await visibleIds(client, "tasks")).toEqual([one, two].sort());
    expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual([one]);
    await client.query("delete from app.memberships where user_id = 'olga'");
    expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual([]);
  });
});
