import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { activeGrant, asPeer, asRole, createGrant, inSavepoint, seedPeople } from "./actors.ts";
import { shown } from "./grants.ts";
import { enrollAgain, redeem } from "./tokens.ts";
import { only, refusal, visibleIds } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
const [AT, UNTIL] = ["2026-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"];

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await seedPeople(client, { olga: [] });
  client.release();
});
afterAll(() => database.close());

interface Entry {
  serial: string;
  grant?: string | null;
  reason?: string;
  revokedAt?: string;
  notAfter?: string;
}

/** Takes in what was published, as an administrator does; times that a test does not care about are filled in. */
async function restore(client: PoolClient, entries: Entry[], epoch = 0): Promise<Record<string, number>> {
  const revoked = entries.map((entry) => ({ grant: null, revokedAt: AT, notAfter: UNTIL, ...entry }));
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<Record<string, number>>(
      "select * from federation.restore_revocations($1, $2)",
      [JSON.stringify(revoked), epoch],
    );
    return only(rows);
  });
}

async function epoch(client: PoolClient): Promise<number> {
  const { rows } = await asRole(client, "federation_gateway", () =>
    client.query<{ epoch: string }>("select federation.revocation_epoch() as epoch"),
  );
  return Number(only(rows).epoch);
}

async function crl(client: PoolClient): Promise<Record<string, unknown>[]> {
  const { rows } = await asRole(client, "federation_gateway", () =>
    client.query<Record<string, unknown>>("select * from federation.revoked_certificates()"),
  );
  return rows;
}

function record(client: PoolClient, grantId: string, serial: string, from: string | null = null): Promise<unknown> {
  return asRole(client, "federation_gateway", () =>
    client.query("select federation.record_certificate($1, $2, $3, now(), now() + interval '1 day', $4)", [
      serial,
      grantId,
      fingerprintFor(serial),
      from,
    ]),
  );
}

describe("in a database that was restored from a backup", () => {
  test("a certificate that it takes for good is revoked as it was published, with all that descend from it", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const child = randomBytes(8).toString("hex");
      await record(client, grant.id, child, grant.serial);
      expect(await restore(client, [{ serial: grant.serial, reason: "keyCompromise" }])).toEqual({
        certificates_revoked: 2,
        certificates_remembered: 0,
        grants_ended: 0,
      });
      for (const serial of [grant.serial, child]) {
        const reading = asPeer(client, { ...grant, serial }, () => visibleIds(client, "tasks"));
        expect(await refusal(reading)).toBe("CERTIFICATE_REVOKED");
      }
      expect((await crl(client)).filter(({ grant_id }) => grant_id === grant.id)).toEqual(
        [grant.serial, child].sort().map((serial) => ({
          serial,
          revoked_at: new Date(AT),
          revocation_reason: "keyCompromise",
          grant_id: grant.id,
          not_after: expect.any(Date) as Date,
        })),
      );
      expect(await shown(client, grant.id)).toMatchObject({ status: "active" });
    });
  });

  test("a serial that was revoked before opens no session by another certificate, however it came to be good", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      // Around the functions that keep the two apart, as a restore without triggers would.
      await client.query(
        "insert into federation.federation_restored_revocations values ($1, $2, 'keyCompromise', $3)",
        [grant.serial, AT, UNTIL],
      );
      const entering = (fingerprint: string): Promise<unknown> =>
        asRole(client, "federation_gateway", () =>
          client.query("select federation.enter_as_peer($1, $2, $3, $4)", [
            grant.id,
            grant.subject,
            grant.serial,
            fingerprint,
          ]),
        );
      expect(await refusal(entering("ab".repeat(32)))).toBe("CERTIFICATE_REVOKED");
      await entering(fingerprintFor(grant.serial));
    });
  });

  test("an enrollment token that is not spent there ends, and another is good", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      await restore(client, []);
      expect(await refusal(redeem(client, token))).toBe("TOKEN_SPENT");
      await redeem(client, await enrollAgain(client, id));
    });
  });

  test("one that was superseded is, and its successor serves", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const child = randomBytes(8).toString("hex");
      await record(client, grant.id, child, grant.serial);
      expect(await restore(client, [{ serial: grant.serial, reason: "superseded" }])).toMatchObject({
        certificates_revoked: 1,
      });
      expect(await asPeer(client, { ...grant, serial: child }, () => visibleIds(client, "tasks"))).toEqual([]);
      expect(await refusal(asPeer(client, grant, () => visibleIds(client, "tasks")))).toBe("CERTIFICATE_REVOKED");
    });
  });

  test("one that it does not know is on the CRL, opens no session and cannot be recorded", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const [serial, over, fresh] = ["abcdef01", "abcdef02", "abcdef03"];
      const told = await restore(client, [
        { serial, grant: grant.id, reason: "keyCompromise" },
        { serial: over, notAfter: "2026-01-02T00:00:00Z" },
      ]);
      expect(told).toEqual({ certificates_revoked: 0, certificates_remembered: 2, grants_ended: 0 });
      expect((await crl(client)).filter((row) => row["grant_id"] === null)).toEqual([
        {
          serial,
          revoked_at: new Date(AT),
          revocation_reason: "keyCompromise",
          grant_id: null,
          not_after: new Date(UNTIL),
        },
      ]);
      const enter = (name: string): Promise<unknown> =>
        asPeer(client, { ...grant, serial: name }, () => Promise.resolve());
      expect(await refusal(enter(serial))).toBe("CERTIFICATE_REVOKED");
      expect(await refusal(enter(fresh))).toBe("CERTIFICATE_UNKNOWN");
      expect(await refusal(record(client, grant.id, serial))).toBe("CONFLICT");
      await record(client, grant.id, fresh);
      await enter(fresh);
    });
  });

  test.each([
    ["privilegeWithdrawn", "revoked"],
    ["cessationOfOperation", "expired"],
  ])(
    "a grant whose certificate was revoked for %s is %s, by a certificate that is known or not",
    async (reason, status) => {
      await database.transaction(async (client) => {
        const [known, unknown] = [await activeGrant(client, "olga", SCOPE), await activeGrant(client, "olga", SCOPE)];
        const pending = await createGrant(client, "olga", SCOPE);
        const other = await activeGrant(client, "olga", SCOPE);
        const entries = [
          { serial: known.serial, reason },
          { serial: "abcdef01", grant: unknown.id, reason },
          { serial: "abcdef02", grant: pending.id, reason },
          { serial: "abcdef03", grant: "00000000-0000-4000-8000-000000000000", reason },
          { serial: "abcdef04", grant: null, reason },
        ];
        expect(await restore(client, entries)).toEqual({
          certificates_revoked: 1,
          certificates_remembered: 4,
          grants_ended: 3,
        });
        for (const { id } of [known, unknown, pending]) {
          expect(await shown(client, id)).toMatchObject({ status });
        }
        const serials = (await crl(client)).map(({ serial }) => serial);
        expect(serials).toEqual(expect.arrayContaining([known.serial, unknown.serial, "abcdef03"]) as unknown[]);
        expect(await shown(client, other.id)).toMatchObject({ status: "active" });
      });
    },
  );

  test("all this can be repeated, and is then as it was", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const entries = [{ serial: grant.serial, reason: "privilegeWithdrawn" }, { serial: "abcdef01" }];
      await restore(client, entries, 1_000);
      const before = { crl: await crl(client), grant: await shown(client, grant.id), epoch: await epoch(client) };
      expect(await restore(client, entries, 1_000)).toEqual({
        certificates_revoked: 0,
        certificates_remembered: 0,
        grants_ended: 0,
      });
      const after = { crl: await crl(client), grant: await shown(client, grant.id), epoch: await epoch(client) };
      expect(after).toEqual(before);
    });
  });

  test("the count of revocations goes on from what was published, and never back", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const published = (await epoch(client)) + 50;
      await restore(client, [{ serial: grant.serial }], published);
      expect(await epoch(client)).toBe(published + 1);
      await restore(client, [], published - 20);
      expect(await epoch(client)).toBe(published + 1);
      await restore(client, [], published + 20);
      expect(await epoch(client)).toBe(published + 20);
      const absurd = asRole(client, "federation_admin", () =>
        client.query("select federation.restore_revocations('[]', $1)", [Number.MAX_SAFE_INTEGER]),
      );
      expect(await refusal(absurd)).toBe("BAD_REQUEST");
      expect(await epoch(client)).toBe(published + 20);
    });
  });

  test("what cannot be read changes nothing", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const good = { serial: grant.serial, revokedAt: AT, notAfter: UNTIL };
      for (const revoked of [
        null,
        {},
        "x",
        [good, null],
        [good, "x"],
        [good, {}],
        [good, { ...good, serial: "XYZ" }],
        [good, { ...good, reason: "whim" }],
        [good, { ...good, revokedAt: null }],
        [good, { ...good, notAfter: "soon" }],
        [good, { ...good, grant: "x" }],
      ]) {
        const restoring = asRole(client, "federation_admin", () =>
          client.query("select federation.restore_revocations($1)", [JSON.stringify(revoked)]),
        );
        expect(await refusal(restoring), JSON.stringify(revoked)).toBe("BAD_REQUEST");
      }
      expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual([]);
    });
  });

  test("what was taken in is not forgotten before the certificate would have ended", async () => {
    await database.transaction(async (client) => {
      await restore(client, [{ serial: "abcdef01" }, { serial: "abcdef02", notAfter: "2026-01-02T00:00:00Z" }]);
      const table = "federation.federation_restored_revocations";
      for (const mode of ["origin", "replica"]) {
        for (const attempt of [
          `delete from ${table} where serial = 'abcdef01'`,
          `update ${table} set not_after = now()`,
          `update ${table} set serial = 'ff'`,
          `truncate ${table}`,
        ]) {
          const trying = inSavepoint(
            client,
            async () => {
              await client.query(`set local session_replication_role = ${mode}`);
              await client.query(attempt);
            },
            "rollback",
          );
          expect(await refusal(trying), `${mode}: ${attempt}`).toBe("CONFLICT");
        }
      }
      await client.query(`delete from ${table} where serial = 'abcdef02'`);
      expect((await client.query(`select from ${table}`)).rowCount).toBe(1);
    });
  });
});
