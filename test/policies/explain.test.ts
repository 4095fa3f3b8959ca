import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, activate, asPeer, asRole, createGrant, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { explain, explainFor, visibleTo } from "./explain.ts";
import { admin, set } from "./grants.ts";
import { get, list, only, refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["t1"], include_personal: true };
const NOBODYS = "00000000-0000-4000-8000-0000000000ff";

let database: TestDatabase;
let grant: Grant;
/** Rows of olga, who is in t1 and t2, and one of mia, who is in t3. */
let own: string, team: string, otherTeam: string, left: string, foreign: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t3"] });
  [own = "", team = "", otherTeam = "", left = "", foreign = ""] = await seedRows(client, "tasks", [
    { owner: "olga", team: null, label: "own" },
    { owner: "olga", team: "t1", label: "team" },
    { owner: "olga", team: "t2", label: "other team" },
    { owner: "olga", team: "t3", label: "left" },
    { owner: "mia", team: "t3", label: "foreign" },
  ]);
  await seedRows(client, "credentials", [{ owner: "olga", team: null }]);
  grant = await activeGrant(client, "olga", SCOPE);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** What explain says of a row, in short: how the peer's request ends, what decided, and the policies that admit it. */
async function inShort(client: PoolClient, id: string, of: Grant = grant): Promise<unknown[]> {
  const { refused, decidedBy, rows } = await explain(client, of.id, "tasks", { id });
  return [
    refused,
    decidedBy,
    only(rows)
      .policies.filter(({ admits }) => admits === true)
      .map(({ name }) => name),
  ];
}

async function withScope(client: PoolClient, scope: Scope): Promise<void> {
  await asRole(client, "federation_admin", () =>
    client.query("select federation.update_grant($1, $2)", [grant.id, JSON.stringify(scope)]),
  );
}

describe("of a row, explain says", () => {
  test("that it is served, and which policies of the table admit it", async () => {
    await database.transaction(async (client) => {
      for (const id of [own, team]) {
        expect(await asPeer(client, grant, () => get(client, "tasks", id))).toMatchObject({ id });
        expect(await inShort(client, id)).toEqual([null, null, ["tasks_read", "tasks_scope"]]);
      }
    });
  });

  test("that its team is not in scope, or is none of the subject's, or that personal rows are not", async () => {
    await database.transaction(async (client) => {
      await withScope(client, { resources: ["tasks"], include_teams: ["t1", "t3"] });
      for (const [id, decidedBy, teamOfSubject] of [
        [own, "personal", null],
        [otherTeam, "team", true],
        [left, "team", false],
      ] as const) {
        expect(await refusal(asPeer(client, grant, () => get(client, "tasks", id)))).toBe("NOT_FOUND");
        expect(await inShort(client, id)).toEqual(["MF011", decidedBy, ["tasks_read"]]);
        const { rows } = await explain(client, grant.id, "tasks", { id });
        expect(only(rows)).toMatchObject({ native: true, served: false, teamOfSubject });
      }
    });
  });

  test("that the subject does not see it; that it is there only to whose own login has the table", async () => {
    await database.transaction(async (client) => {
      expect(await inShort(client, foreign)).toEqual(["MF011", "native", []]);
      const asSuperuser = async (id: string): Promise<unknown> =>
        only((await explain(client, grant.id, "tasks", { id }, "postgres")).rows);
      const blank = (said: unknown, id: string): unknown => JSON.parse(JSON.stringify(said).replaceAll(id, "the row"));
      // A table of another owner: to plan its query runs that one's code.
      expect(blank(await asSuperuser(foreign), foreign)).toEqual(blank(await asSuperuser(NOBODYS), NOBODYS));
      await client.query("alter table app.tasks owner to postgres");
      expect(await asSuperuser(foreign)).toMatchObject({
        exists: true,
        native: false,
        policies: [
          { name: "tasks_read", kind: "permissive", admits: false },
          { name: "tasks_scope", kind: "restrictive", admits: false },
        ],
      });
      expect(await asSuperuser(NOBODYS)).toMatchObject({ exists: false, native: false, policies: [] });
      for (const ask of [
        (id: string): Promise<unknown> => explain(client, grant.id, "tasks", { id }),
        (id: string): Promise<unknown> => explainFor(client, "olga", grant.id, "tasks", { id }),
      ]) {
        expect(blank(await ask(foreign), foreign)).toEqual(blank(await ask(NOBODYS), NOBODYS));
      }
    });
  });

  test("that an answer is full before it comes to it", async () => {
    await database.transaction(async (client) => {
      await withScope(client, { ...SCOPE, include_teams: "*", max_rows_per_query: 2 });
      const page = await asPeer(client, grant, () => list(client, "tasks", { first: 100 }));
      const first = page.rows.map(({ id }) => id);
      expect(page).toMatchObject({ capped: true });
      for (const id of [own, team, otherTeam]) {
        const { refused, decidedBy, rows, maxRowsPerQuery } = await explain(client, grant.id, "tasks", { id });
        const cap = first.includes(id);
        expect({ refused, decidedBy, maxRowsPerQuery }).toEqual({
          refused: null,
          decidedBy: cap ? null : "cap",
          maxRowsPerQuery: 2,
        });
        expect(only(rows)).toMatchObject({ served: true, cap });
      }
      expect(first).toHaveLength(2);
    });
  });

  test("the same of another spelling of its key, as get does", async () => {
    await database.transaction(async (client) => {
      await client.query(`
        create table public.counted (id integer primary key, owner text);
        insert into public.counted values (5, 'olga');
        select federation.register_resource('counted', 'public.counted', owner => 'owner')`);
      await withScope(client, { resources: ["tasks", "counted"], include_personal: true });
      for (const [resource, id, other] of [
        ["tasks", own, own.toUpperCase()],
        ["tasks", own, `{${own}}`],
        ["counted", "5", " 05"],
      ] as const) {
        const got = await asPeer(client, grant, () => get(client, resource, other));
        expect(String(got["id"])).toBe(id);
        for (const role of ["federation_admin", "postgres"]) {
          const explained = await explain(client, grant.id, resource, { id: other }, role);
          expect(explained, other).toMatchObject({ refused: null, decidedBy: null, rows: [{ id, served: true }] });
        }
      }
    });
  });

  test("that it could not be asked about, where its key is none", async () => {
    await database.transaction(async (client) => {
      expect(await refusal(explain(client, grant.id, "tasks", { id: "1; drop table app.tasks" }))).toBe("BAD_REQUEST");
      expect(await refusal(explain(client, NOBODYS, "tasks", { id: own }))).toBe("NOT_FOUND");
    });
  });
});

describe("of the way there, explain says", () => {
  test.each([
    ["suspended", "MF004", "GRANT_SUSPENDED"],
    ["revoked", "MF005", "GRANT_REVOKED"],
    ["expired", "MF006", "GRANT_EXPIRED"],
  ] as const)("that a grant is %s, and what its policies would let out", async (state, refused, code) => {
    await database.transaction(async (client) => {
      if (state === "expired") {
        await set(client, grant.id, "expires_at = now() - interval '1 second'");
      } else {
        await admin(client, state === "suspended" ? "suspend_grant" : "revoke_grant", grant.id);
      }
      expect(await refusal(asPeer(client, grant, () => get(client, "tasks", own)))).toBe(code);
      expect(await inShort(client, own)).toEqual([refused, "grant", ["tasks_read", "tasks_scope"]]);
      expect(await inShort(client, otherTeam)).toEqual([refused, "grant", ["tasks_read"]]);
      const seen = await visibleTo(client, grant.id);
      expect(seen.refused).toBe(refused);
      expect(seen.resources.find(({ resource }) => resource === "tasks")).toMatchObject({ rows: 2, rowsOfSubject: 4 });
    });
  });

  test("that nobody has enrolled, and that every certificate is revoked", async () => {
    await database.transaction(async (client) => {
      const pending = await createGrant(client, "olga", SCOPE);
      expect(await explain(client, pending.id, "tasks")).toMatchObject({ refused: "MF003", decidedBy: "grant" });
      const enrolled = await activate(client, pending);
      expect(await explain(client, pending.id, "tasks")).toMatchObject({ refused: null, decidedBy: null });
      await asRole(client, "federation_admin", () =>
        client.query("select federation.revoke_certificate($1)", [enrolled.serial]),
      );
      expect(await explain(client, pending.id, "tasks")).toMatchObject({ refused: "MF007", decidedBy: "certificate" });
    });
  });

  test("that the subject is gone, where nothing has ended the grant with them", async () => {
    await database.transaction(async (client) => {
      await client.query("select federation.unbind_identity()");
      expect(await explain(client, grant.id, "tasks", { id: team })).toMatchObject({
        refused: "MF021",
        decidedBy: "subject",
      });
    });
  });

  test("that the scope does not name a resource, excludes it, or that there is none of the name", async () => {
    await database.transaction(async (client) => {
      await withScope(client, { resources: ["tasks", "notes"], excluded_resources: ["notes"] });
      for (const [resource, reason] of [
        ["notes", "excluded"],
        ["projects", "not in scope"],
        ["users", "not registered"],
        ["tasks'; select 1", "not registered"],
      ] as const) {
        expect(await refusal(asPeer(client, grant, () => list(client, resource)))).toBe("RESOURCE_DENIED");
        const explained = await explain(client, grant.id, resource);
        expect(explained).toMatchObject({ refused: "MF010", decidedBy: "resource" });
        expect(explained.stages.at(-1)).toEqual({ stage: "resource", passes: false, reason });
      }
    });
  });

  test("that a table has lost its protection", async () => {
    await database.transaction(async (client) => {
      await client.query("drop policy tasks_scope on app.tasks");
      expect(await refusal(asPeer(client, grant, () => list(client, "tasks")))).toBe("UNAVAILABLE");
      const explained = await explain(client, grant.id, "tasks", { id: own });
      expect(explained).toMatchObject({ refused: "MF013", decidedBy: "resource", rows: [] });
      expect(explained.stages.at(-1)).toMatchObject({ reason: "unprotected" });
      // Nor how many rows there are of everybody.
      const seen = await visibleTo(client, grant.id);
      expect(seen.resources.find(({ resource }) => resource === "tasks")).toMatchObject({
        rows: 0,
        rowsOfSubject: null,
      });
    });
  });
});

describe("of columns, explain says", () => {
  test("which leave, and why the others do not, to administrators; to the subject only which leave", async () => {
    await database.transaction(async (client) => {
      await withScope(client, { resources: ["credentials"], include_personal: true });
      await client.query("alter table app.credentials add column rotated_at timestamptz");
      const [row] = (await asPeer(client, grant, () => list(client, "credentials"))).rows;
      const { columns } = await explain(client, grant.id, "credentials");
      expect(
        columns
          .filter(({ leaves }) => leaves)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(Object.keys(row ?? {}).sort());
      expect(columns.filter(({ leaves }) => !leaves)).toEqual([
        { name: "secret", leaves: false, decidedBy: "hidden column" },
        { name: "rotated_at", leaves: false, decidedBy: "not registered" },
      ]);
      expect((await explainFor(client, "olga", grant.id, "credentials")).columns).toEqual(
        columns.filter(({ leaves }) => leaves),
      );
    });
  });
});

describe("of a filter, explain says", () => {
  test("what decides on each row that the subject sees, and of no other", async () => {
    await database.transaction(async (client) => {
      const { refused, rows } = await explain(client, grant.id, "tasks", {
        filter: { owner_id: { in: ["olga", "mia"] } },
      });
      expect(refused).toBeNull();
      expect(Object.fromEntries(rows.map(({ id, decidedBy }) => [id, decidedBy]))).toEqual({
        [own]: null,
        [team]: null,
        [otherTeam]: "team",
        [left]: "team",
      });
      expect((await explain(client, grant.id, "tasks", { filter: {}, most: 1 })).rows).toHaveLength(1);
      for (const wrong of [
        { filter: { secret: { eq: "x" } } },
        { filter: { "id' or true": { eq: "x" } } },
        { filter: {}, id: own },
        { filter: {}, most: 101 },
        { filter: {}, most: 0 },
      ]) {
        expect(await refusal(explain(client, grant.id, "tasks", wrong))).toBe("BAD_REQUEST");
      }
    });
  });
});
