import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activate, createGrant, seedPeople } from "./actors.ts";
import type { PendingGrant } from "./actors.ts";
import { admin, set, shown } from "./grants.ts";
import { refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
const STATES = ["pending", "active", "suspended", "revoked", "expired"] as const;

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await seedPeople(client, { olga: [] });
  client.release();
});
afterAll(() => database.close());

/** How a grant gets into each state by way of the states before it. */
async function inState(client: PoolClient, state: (typeof STATES)[number]): Promise<PendingGrant> {
  const grant = await createGrant(client, "olga", SCOPE);
  if (state !== "pending") {
    await activate(client, grant);
  }
  if (state !== "pending" && state !== "active") {
    await set(
      client,
      grant.id,
      state === "suspended" ? "status = 'suspended'" : `status = '${state}', ended_at = now()`,
    );
  }
  return grant;
}

describe("the lifecycle", () => {
  const ALLOWED = [
    "pending active",
    "pending revoked",
    "pending expired",
    "active suspended",
    "active revoked",
    "active expired",
  ]
    .concat(["suspended active", "suspended revoked", "suspended expired"])
    .concat(STATES.map((state) => `${state} ${state}`));

  test.each(STATES.flatMap((from) => STATES.map((to) => ({ from, to, allowed: ALLOWED.includes(`${from} ${to}`) }))))(
    "from $from to $to: allowed is $allowed",
    async ({ from, to, allowed }) => {
      await database.transaction(async (client) => {
        const { id } = await inState(client, from);
        const ended = to === "revoked" || to === "expired";
        const change = set(
          client,
          id,
          `status = '${to}', ended_at = ${ended ? "now()" : "null"}, activated_at = ${to === "pending" ? "null" : "now()"}`,
        );
        if (allowed) {
          await change;
        } else {
          expect(await refusal(change)).toBe("CONFLICT");
        }
        expect((await shown(client, id))["status"]).toBe(allowed ? to : from);
      });
    },
  );

  test.each(STATES.filter((state) => state !== "pending"))("does not begin with %s", async (state) => {
    await database.transaction(async (client) => {
      const ended = state === "revoked" || state === "expired" ? "now()" : "null";
      const insert = client.query(
        `insert into federation.federation_grants (subject_user_id, peer_host, scope, status, activated_at, ended_at)
         values ('olga', 'home', '{}', $1, now(), ${ended})`,
        [state],
      );
      expect(await refusal(insert)).toBe("CONFLICT");
    });
  });

  test.each<["suspend_grant" | "resume_grant", (typeof STATES)[number]]>([
    ["suspend_grant", "pending"],
    ["suspend_grant", "revoked"],
    ["suspend_grant", "expired"],
    ["resume_grant", "pending"],
    ["resume_grant", "revoked"],
    ["resume_grant", "expired"],
  ])("%s refuses a grant that is %s", async (verb, state) => {
    await database.transaction(async (client) => {
      const { id } = await inState(client, state);
      expect(await refusal(admin(client, verb, id))).toBe("CONFLICT");
      expect((await shown(client, id))["status"]).toBe(state);
    });
  });

  test("revoking what has ended changes nothing, and a grant that is not there is not found", async () => {
    await database.transaction(async (client) => {
      const { id } = await inState(client, "expired");
      const before = await shown(client, id);
      await admin(client, "revoke_grant", id);
      expect(await shown(client, id)).toEqual(before);
      for (const verb of ["suspend_grant", "resume_grant", "revoke_grant"] as const) {
        expect(await refusal(admin(client, verb, "00000000-0000-4000-8000-000000000000"))).toBe("NOT_FOUND");
      }
    });
  });
});
