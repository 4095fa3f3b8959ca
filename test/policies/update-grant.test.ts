import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activate, activeGrant, asPeer, asRole, createGrant, enterAsPeer, seedPeople, seedRows } from "./actors.ts";
import type { Scope } from "./actors.ts";
import { admin, set, shown } from "./grants.ts";
import { get, list, refusal, visibleIds } from "./verbs.ts";

const WIDE = { resources: ["tasks", "notes"], include_personal: true, include_teams: ["t1", "t2"] };

let database: TestDatabase;
/** Ids of tasks by their team, in the order in which they are listed. */
let rows: Record<"personal" | "t1" | "t2", string[]>;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"] });
  const seed = (team: string | null): Promise<string[]> =>
    seedRows(
      client,
      "tasks",
      Array.from({ length: 4 }, () => ({ owner: "olga", team })),
    );
  rows = { personal: await seed(null), t1: await seed("t1"), t2: await seed("t2") };
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

function update(client: PoolClient, id: string, scope: Scope): Promise<unknown> {
  return asRole(client, "federation_admin", () =>
    client.query("select federation.update_grant($1, $2)", [id, JSON.stringify(scope)]),
  );
}

const sorted = (...ids: string[][]): string[] => ids.flat().sort();

describe("another scope", () => {
  test("narrows and widens what the same session sees, at once", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", WIDE);
      const read = (): Promise<string[]> => asPeer(client, grant, () => visibleIds(client, "tasks"));
      expect(await read()).toEqual(sorted(rows.personal, rows.t1, rows.t2));
      for (const [scope, expected] of [
        [{ ...WIDE, include_teams: ["t1"] }, sorted(rows.personal, rows.t1)],
        [{ resources: ["tasks"], include_teams: ["t2"] }, sorted(rows.t2)],
        [{ resources: ["tasks"], include_personal: true }, sorted(rows.personal)],
        [{ ...WIDE, include_teams: "*" }, sorted(rows.personal, rows.t1, rows.t2)],
      ] as const) {
        await update(client, grant.id, scope);
        expect(await read()).toEqual(expected);
      }
      await update(client, grant.id, { resources: ["notes"], include_personal: true });
      expect(await read()).toEqual([]);
      expect(await refusal(asPeer(client, grant, () => list(client, "tasks")))).toBe("RESOURCE_DENIED");
      const id = rows.personal[0] ?? "";
      expect(await refusal(asPeer(client, grant, () => get(client, "tasks", id)))).toBe("RESOURCE_DENIED");
      await update(client, grant.id, { ...WIDE, excluded_resources: ["tasks"] });
      expect(await refusal(asPeer(client, grant, () => list(client, "tasks")))).toBe("RESOURCE_DENIED");
      await update(client, grant.id, { ...WIDE, max_rows_per_query: 3 });
      expect((await asPeer(client, grant, () => list(client, "tasks"))).rows).toHaveLength(3);
    });
  });

  test("holds for a cursor that was made before, as for any other query", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", WIDE);
      const page = (after: string | null) =>
        asPeer(client, grant, () => list(client, "tasks", { order: [{ column: "id" }], first: 2, after }));
      const all = sorted(rows.personal, rows.t1, rows.t2);
      const first = await page(null);
      expect(first.rows.map(({ id }) => id)).toEqual(all.slice(0, 2));
      await update(client, grant.id, { resources: ["tasks"], include_teams: ["t1"] });
      const rest: unknown[] = [];
      for (let after = first.nextCursor; after !== null;) {
        const next = await page(after);
        rest.push(...next.rows.map(({ id }) => id));
        after = next.nextCursor;
      }
      const narrowed = sorted(rows.t1);
      expect(rest).toEqual(narrowed.filter((id) => !all.slice(0, 2).includes(id)));
      await update(client, grant.id, { resources: ["notes"] });
      expect(await refusal(page(first.nextCursor))).toBe("RESOURCE_DENIED");
    });
  });

  // The embedded database has one backend: no two transactions of it are open at once.
  test.skipIf(inject("template").kind === "pglite")(
    "holds for the next statement of a session that is open",
    async () => {
      const [peer, administrator] = [await database.pool.connect(), await database.pool.connect()];
      try {
        await peer.query("begin");
        const grant = await activeGrant(peer, "olga", WIDE);
        await peer.query("commit");
        await peer.query("begin read only");
        await enterAsPeer(peer, grant);
        await peer.query("set local role federation_peer");
        expect(await visibleIds(peer, "tasks")).toEqual(sorted(rows.personal, rows.t1, rows.t2));
        await administrator.query("begin");
        await update(administrator, grant.id, { resources: ["tasks"], include_teams: ["t2"] });
        expect(await visibleIds(peer, "tasks")).toEqual(sorted(rows.personal, rows.t1, rows.t2));
        await administrator.query("commit");
        expect(await visibleIds(peer, "tasks")).toEqual(sorted(rows.t2));
      } finally {
        await peer.query("rollback");
        peer.release();
        administrator.release();
      }
    },
  );

  test("can be given to a grant that is pending or suspended, and stays with it", async () => {
    await database.transaction(async (client) => {
      const pending = await createGrant(client, "olga", WIDE);
      await update(client, pending.id, { resources: ["tasks"], include_teams: ["t1"] });
      const grant = await activate(client, pending);
      expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual(sorted(rows.t1));
      await admin(client, "suspend_grant", grant.id);
      await update(client, grant.id, { resources: ["tasks"], include_teams: ["t2"] });
      expect(await shown(client, grant.id)).toMatchObject({ status: "suspended" });
      await admin(client, "resume_grant", grant.id);
      expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual(sorted(rows.t2));
    });
  });

  test("is refused where the grant has ended or there is none, and where the scope is none", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", WIDE);
      for (const scope of [{}, { resources: [] }, { resources: ["nothing"] }, { resources: ["tasks"], more: 1 }]) {
        expect(await refusal(update(client, grant.id, scope))).toBe("SCOPE_INVALID");
      }
      expect(await refusal(update(client, "00000000-0000-4000-8000-000000000000", WIDE))).toBe("NOT_FOUND");
      expect(await shown(client, grant.id)).toMatchObject({ scope: WIDE });
      await set(client, grant.id, "expires_at = now()");
      expect(await refusal(update(client, grant.id, { resources: ["tasks"] }))).toBe("CONFLICT");
      await set(client, grant.id, "expires_at = null");
      await admin(client, "revoke_grant", grant.id);
      expect(await refusal(update(client, grant.id, { resources: ["tasks"] }))).toBe("CONFLICT");
      expect(await shown(client, grant.id)).toMatchObject({ scope: WIDE });
    });
  });
});
