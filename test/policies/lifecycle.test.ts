import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import {
  activate,
  activeGrant,
  asPeer,
  asRole,
  createGrant,
  enterAsPeer,
  inSavepoint,
  seedPeople,
  seedRows,
} from "./actors.ts";
import type { Grant } from "./actors.ts";
import { admin, set, shown } from "./grants.ts";
import { list, only, refusal, visibleIds } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;
let row: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [], mia: [] });
  row = only(await seedRows(client, "tasks", [{ owner: "olga", team: null }]));
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** What the peer gets: its rows, or the code of the refusal. */
async function told(client: PoolClient, grant: Grant): Promise<unknown> {
  const reading = asPeer(client, grant, () => visibleIds(client, "tasks"));
  return reading.catch(() => refusal(reading));
}

describe("a grant", () => {
  test("goes from pending to active, to suspended and back, to revoked, and says so at each step", async () => {
    await database.transaction(async (client) => {
      const pending = await createGrant(client, "olga", SCOPE);
      expect(await shown(client, pending.id)).toMatchObject({ status: "pending", scope: SCOPE, activated_at: null });
      expect(await told(client, { ...pending, serial: "00" })).toBe("GRANT_PENDING");
      const grant = await activate(client, pending);
      expect(await shown(client, grant.id)).toMatchObject({ status: "active", certificate_serial: grant.serial });
      expect(await told(client, grant)).toEqual([row]);
      await admin(client, "suspend_grant", grant.id);
      expect(await shown(client, grant.id)).toMatchObject({ status: "suspended", ended_at: null });
      expect(await told(client, grant)).toBe("GRANT_SUSPENDED");
      await admin(client, "resume_grant", grant.id);
      expect(await told(client, grant)).toEqual([row]);
      await admin(client, "revoke_grant", grant.id);
      expect(await shown(client, grant.id)).toMatchObject({ status: "revoked", ended_at: expect.any(Date) as Date });
      expect(await told(client, grant)).toBe("GRANT_REVOKED");
    });
  });

  test("takes its certificates and its token with it when it is revoked, and the CRL lists them", async () => {
    await database.transaction(async (client) => {
      const [grant, other] = [await activeGrant(client, "olga", SCOPE), await activeGrant(client, "olga", SCOPE)];
      await admin(client, "revoke_grant", grant.id);
      const revoked = await client.query("select serial, revocation_reason from federation.revoked_certificates()");
      expect(revoked.rows).toEqual([{ serial: grant.serial, revocation_reason: "privilegeWithdrawn" }]);
      expect(await told(client, other)).toEqual([row]);
    });
  });

  test("expires when its time has come, before any job has said so", async () => {
    await database.transaction(async (client) => {
      const grant = await activate(client, await createGrant(client, "olga", SCOPE, new Date(Date.now() + 3_600_000)));
      expect(await told(client, grant)).toEqual([row]);
      await set(client, grant.id, "expires_at = statement_timestamp()");
      expect(await told(client, grant)).toBe("GRANT_EXPIRED");
      await set(client, grant.id, "expires_at = now() - interval '1 second'");
      expect(await shown(client, grant.id)).toMatchObject({ status: "expired", ended_at: null });
    });
  });

  test("whose time is up is ended for good by the job, once, with its certificate, and no other is", async () => {
    await database.transaction(async (client) => {
      const soon = new Date(Date.now() + 3_600_000);
      const due = [
        await activate(client, await createGrant(client, "olga", SCOPE, soon)),
        await createGrant(client, "olga", SCOPE, soon),
      ];
      const [later, never] = [await createGrant(client, "olga", SCOPE, soon), await activeGrant(client, "olga", SCOPE)];
      for (const { id } of due) {
        await set(client, id, "expires_at = now()");
      }
      const expire = (): Promise<{ rows: unknown[] }> =>
        asRole(client, "federation_admin", () =>
          client.query("select grant_id as id, peer_host from federation.expire_grants()"),
        );
      const ended = await expire();
      expect(ended.rows).toEqual(
        due
          .map(({ id }) => id)
          .sort()
          .map((id) => ({ id, peer_host: "home.example.org" })),
      );
      expect((await expire()).rows).toEqual([]);
      for (const { id } of due) {
        expect(await shown(client, id)).toMatchObject({ status: "expired", ended_at: expect.any(Date) as Date });
        await set(client, id, "expires_at = null");
      }
      const { rows } = await client.query("select grant_id, revocation_reason from federation.revoked_certificates()");
      expect(rows).toEqual([{ grant_id: due[0]?.id, revocation_reason: "cessationOfOperation" }]);
      expect(await shown(client, later.id)).toMatchObject({ status: "pending" });
      expect(await told(client, never)).toEqual([row]);
    });
  });

  test("that ends while its session is open serves no further row, by verb or by policy", async () => {
    await database.transaction(async (client) => {
      const endings: [string, (id: string) => Promise<unknown>][] = [
        ["GRANT_SUSPENDED", (id) => admin(client, "suspend_grant", id)],
        ["GRANT_REVOKED", (id) => admin(client, "revoke_grant", id)],
        ["GRANT_EXPIRED", (id) => set(client, id, "expires_at = now() - interval '1 second'")],
        ["CERTIFICATE_REVOKED", (id) => client.query(REVOKE_CERTIFICATE, [id])],
        ["CERTIFICATE_REVOKED", (id) => client.query(END_CERTIFICATE, [id])],
      ];
      for (const [code, end] of endings) {
        await inSavepoint(
          client,
          async () => {
            const grant = await activeGrant(client, "olga", SCOPE);
            await enterAsPeer(client, grant);
            const read = (): Promise<string[]> => asRole(client, "federation_peer", () => visibleIds(client, "tasks"));
            expect(await read()).toEqual([row]);
            await end(grant.id);
            expect(await read()).toEqual([]);
            expect(await refusal(asRole(client, "federation_peer", () => list(client, "tasks")))).toBe(code);
          },
          "rollback",
        );
      }
    });
  });

  test("that was revoked in place is over in the next transaction of any connection", async () => {
    const [peer, administrator] = [await database.pool.connect(), await database.pool.connect()];
    try {
      const grant = await committed(peer, () => activeGrant(peer, "olga", SCOPE));
      expect(await committed(peer, () => told(peer, grant))).toEqual([row]);
      await committed(administrator, () => admin(administrator, "revoke_grant", grant.id));
      expect(await committed(peer, () => told(peer, grant))).toBe("GRANT_REVOKED");
    } finally {
      peer.release();
      administrator.release();
    }
  });

  // The embedded database has one backend: no two transactions of it are open at once.
  test.skipIf(inject("template").kind === "pglite")(
    "that is revoked beside an open session is over in its next statement",
    async () => {
      const [peer, administrator] = [await database.pool.connect(), await database.pool.connect()];
      try {
        const grant = await committed(peer, () => activeGrant(peer, "olga", SCOPE));
        await peer.query("begin read only");
        await enterAsPeer(peer, grant);
        await peer.query("set local role federation_peer");
        expect(await visibleIds(peer, "tasks")).toEqual([row]);
        await committed(administrator, () => admin(administrator, "revoke_grant", grant.id));
        expect(await visibleIds(peer, "tasks")).toEqual([]);
        expect(await refusal(list(peer, "tasks"))).toBe("GRANT_REVOKED");
      } finally {
        await peer.query("rollback");
        peer.release();
        administrator.release();
      }
    },
  );

  test("names whom it speaks for once and for all", async () => {
    await database.transaction(async (client) => {
      const { id } = await activeGrant(client, "olga", SCOPE);
      for (const change of [
        "subject_user_id = 'mia'",
        "peer_host = 'x'",
        "id = gen_random_uuid()",
        "created_by = 'x'",
        "created_at = '-infinity'",
      ]) {
        expect(await refusal(set(client, id, change)), change).toBe("CONFLICT");
      }
      expect(await shown(client, id)).toMatchObject({
        subject_user_id: "olga",
        peer_host: "home.example.org",
        status: "active",
      });
    });
  });
});

const REVOKE_CERTIFICATE = `
  update federation.federation_certificates set revoked_at = now(), revocation_reason = 'keyCompromise' where grant_id = $1`;
const END_CERTIFICATE = `
  update federation.federation_certificates set not_before = '-infinity', not_after = statement_timestamp() where grant_id = $1`;

async function committed<T>(client: PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  const result = await work();
  await client.query("commit");
  return result;
}
