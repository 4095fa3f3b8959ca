import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asRole, createGrant, recordCertificate, seedPeople, seedRows } from "./actors.ts";
import { enrollAgain, redeem } from "./tokens.ts";
import { list, refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [], mia: [] });
  await seedRows(client, "tasks", [{ owner: "olga", team: null }]);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

describe("an enrollment token that was spent", () => {
  const allow = (client: PoolClient, spent: string | null, again: string): Promise<unknown> =>
    asRole(client, "federation_gateway", () =>
      client.query("select federation.allow_enrollment_again($1, $2)", [spent, again]),
    );

  test("gives another of the same life, again and again, of which nothing comes once there is a new one or the grant has ended", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      await redeem(client, token);
      await allow(client, token, "again");
      const { rows } = await client.query(
        "select distinct expires_at from federation.federation_enrollment_tokens where grant_id = $1",
        [id],
      );
      expect(rows).toHaveLength(1);
      await redeem(client, "again");
      expect(await refusal(redeem(client, "again"))).toBe("TOKEN_SPENT");
      await allow(client, "again", "again");
      await redeem(client, "again");
      await allow(client, "again", "again");
      await enrollAgain(client, id);
      expect(await refusal(redeem(client, "again"))).toBe("TOKEN_SPENT");
      await allow(client, token, "again");
      await client.query("select federation.revoke_grant($1)", [id]);
      expect(await refusal(redeem(client, "again"))).toBe("TOKEN_SPENT");
    });
  });

  test("gives none where it was not spent, has expired, or ten certificates have come of it", async () => {
    await database.transaction(async (client) => {
      const unspent = await createGrant(client, "olga", SCOPE);
      await allow(client, unspent.token, "unspent");
      await allow(client, "never one", "never one");
      const expired = await createGrant(client, "olga", SCOPE);
      await redeem(client, expired.token);
      await client.query(
        `update federation.federation_enrollment_tokens
         set created_at = created_at - interval '15 minutes', expires_at = expires_at - interval '15 minutes' where grant_id = $1`,
        [expired.id],
      );
      await allow(client, expired.token, "expired");
      const many = await activeGrant(client, "olga", SCOPE);
      const token = await enrollAgain(client, many.id);
      await redeem(client, token);
      for (let count = 0; count < 10; count += 1) {
        await recordCertificate(client, many.id, token);
      }
      await allow(client, token, "ten");
      for (const again of ["unspent", "never one", "expired", "ten"]) {
        expect(await refusal(redeem(client, again)), again).toBe("TOKEN_SPENT");
      }
      await redeem(client, unspent.token);
    });
  });

  test("gives none to the key of a certificate that was revoked as compromised; a fresh one, and one after a mere successor, are good", async () => {
    for (const reason of ["keyCompromise", "superseded"]) {
      await database.transaction(async (client) => {
        const { id, token } = await createGrant(client, "olga", SCOPE);
        await redeem(client, token);
        const serial = await recordCertificate(client, id, token);
        await allow(client, token, "again");
        // Administrators may not say "superseded": the gateway does, of what was renewed.
        const { rows } = await client.query("select federation.revoke_lineage($1, $2, now())", [serial, reason]);
        expect(rows).toEqual([{ revoke_lineage: serial }]);
        if (reason === "superseded") {
          await redeem(client, "again");
          return;
        }
        expect(await refusal(redeem(client, "again"))).toBe("TOKEN_SPENT");
        const fresh = await enrollAgain(client, id);
        await redeem(client, fresh);
        const next = await recordCertificate(client, id);
        const { rows: seen } = await asPeer(client, { id, subject: "olga", serial: next }, () =>
          list(client, "tasks", { first: 5 }),
        );
        expect(seen).toHaveLength(1);
      });
    }
  });

  test("has spent again by the key of a certificate that is then revoked as compromised: nothing opens to that key", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      await redeem(client, token);
      const first = await recordCertificate(client, id, token);
      await allow(client, token, "again");
      // Who has the key is quicker than the administrator.
      await redeem(client, "again");
      const second = await recordCertificate(client, id, "again");
      await asRole(client, "federation_admin", () =>
        client.query("select federation.revoke_certificate($1, 'keyCompromise')", [first]),
      );
      expect(
        await refusal(
          asPeer(client, { id, subject: "olga", serial: second }, () => list(client, "tasks", { first: 5 })),
        ),
      ).toBe("CERTIFICATE_REVOKED");
    });
  });

  test("leaves a token that an administrator made before a certificate was revoked, and one that is of a later enrollment", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      await redeem(client, token);
      const first = await recordCertificate(client, id, token);
      const revoke = (serial: string): Promise<unknown> =>
        asRole(client, "federation_admin", () =>
          client.query("select federation.revoke_certificate($1, 'keyCompromise')", [serial]),
        );
      const fresh = await enrollAgain(client, id);
      await revoke(first);
      await redeem(client, fresh);
      await recordCertificate(client, id, fresh);
      await allow(client, fresh, "later");
      await revoke(first);
      await redeem(client, "later");
    });
  });
});
