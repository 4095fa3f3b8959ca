import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { activeGrant, asPeer, asRole, createGrant, inSavepoint, newSerial, seedPeople, seedRows } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { admin, set, shown } from "./grants.ts";
import { only, refusal, visibleIds } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;
let row: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [] });
  row = only(await seedRows(client, "tasks", [{ owner: "olga", team: null }]));
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** Records a certificate as renewed from another, as the gateway does, and returns its serial. */
async function renew(client: PoolClient, grantId: string, from: string, serial = newSerial()) {
  await asRole(client, "federation_gateway", () =>
    client.query("select federation.record_certificate($1, $2, $3, now(), now() + interval '1 day', $4)", [
      serial,
      grantId,
      fingerprintFor(serial),
      from,
    ]),
  );
  return serial;
}

async function revoke(client: PoolClient, serial: string, reason = "keyCompromise"): Promise<string[]> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ serial: string }>(
      "select serial from federation.revoke_certificate($1, $2) as r (serial)",
      [serial, reason],
    );
    return rows.map((each) => each.serial).sort();
  });
}

async function certificate(client: PoolClient, serial: string): Promise<Record<string, unknown>> {
  const { rows } = await client.query<Record<string, unknown>>(
    "select * from federation.federation_certificates where serial = $1",
    [serial],
  );
  return only(rows);
}

/** What the peer gets by a certificate: its rows, or the code of the refusal. */
async function told(client: PoolClient, grant: Grant, serial: string): Promise<unknown> {
  const reading = asPeer(client, { ...grant, serial }, () => visibleIds(client, "tasks"));
  return reading.catch(() => refusal(reading));
}

describe("revoking a certificate", () => {
  test("revokes all that descend from it, in every line, and leaves those before it, beside it and the grant", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const other = await activeGrant(client, "olga", SCOPE);
      const stolen = await renew(client, grant.id, grant.serial);
      const beside = await renew(client, grant.id, grant.serial);
      const [honest, thief] = [await renew(client, grant.id, stolen), await renew(client, grant.id, stolen)];
      const last = await renew(client, grant.id, thief);
      expect(await told(client, grant, last)).toEqual([row]);
      expect(await revoke(client, stolen)).toEqual([stolen, honest, thief, last].sort());
      for (const serial of [stolen, honest, thief, last]) {
        expect(await told(client, grant, serial)).toBe("CERTIFICATE_REVOKED");
        expect(await certificate(client, serial)).toMatchObject({ revocation_reason: "keyCompromise" });
      }
      for (const serial of [grant.serial, beside]) {
        expect(await told(client, grant, serial)).toEqual([row]);
      }
      expect(await told(client, other, other.serial)).toEqual([row]);
      expect(await revoke(client, stolen)).toEqual([]);
    });
  });

  test("leaves the grant active, without a certificate, so that its peer can enroll again", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      await revoke(client, grant.serial);
      expect(await shown(client, grant.id)).toMatchObject({ status: "active", ended_at: null });
      expect(await told(client, grant, grant.serial)).toBe("CERTIFICATE_REVOKED");
    });
  });

  test("reaches the successors of one that was superseded, which itself stays superseded", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const next = await renew(client, grant.id, grant.serial);
      await client.query("select federation.revoke_lineage($1, 'superseded', now())", [grant.serial]);
      expect(await told(client, grant, next)).toEqual([row]);
      const before = await certificate(client, grant.serial);
      expect(await revoke(client, grant.serial)).toEqual([next]);
      expect(await certificate(client, grant.serial)).toEqual(before);
      expect(await told(client, grant, next)).toBe("CERTIFICATE_REVOKED");
    });
  });

  test("knows its reasons, and says where there is no such certificate", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      for (const reason of ["superseded", "privilegeWithdrawn", "cessationOfOperation", "", "x"]) {
        expect(await refusal(revoke(client, grant.serial, reason)), reason).toBe("BAD_REQUEST");
      }
      expect(await refusal(revoke(client, "00ff"))).toBe("NOT_FOUND");
      expect(await told(client, grant, grant.serial)).toEqual([row]);
    });
  });
});

describe("revoking a grant", () => {
  test("revokes every certificate of it, whichever was renewed from which", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const serials = [grant.serial, await renew(client, grant.id, grant.serial)];
      serials.push(await renew(client, grant.id, serials[1] ?? ""));
      await admin(client, "revoke_grant", grant.id);
      for (const serial of serials) {
        expect(await certificate(client, serial)).toMatchObject({ revocation_reason: "privilegeWithdrawn" });
      }
    });
  });
});

describe("a certificate is recorded", () => {
  test("only below a live one of the same grant", async () => {
    await database.transaction(async (client) => {
      const [grant, other] = [await activeGrant(client, "olga", SCOPE), await activeGrant(client, "olga", SCOPE)];
      const ended = await renew(client, grant.id, grant.serial);
      await client.query(
        "update federation.federation_certificates set not_before = '-infinity', not_after = statement_timestamp() where serial = $1",
        [ended],
      );
      const revoked = await renew(client, grant.id, grant.serial);
      await revoke(client, revoked);
      for (const parent of [ended, revoked, other.serial]) {
        expect(await refusal(renew(client, grant.id, parent))).toBe("CONFLICT");
      }
      expect(await told(client, grant, await renew(client, grant.id, grant.serial))).toEqual([row]);
    });
  });

  test("for no grant that has ended", async () => {
    await database.transaction(async (client) => {
      for (const end of ["status = 'revoked', ended_at = now()", "status = 'expired', ended_at = now()"]) {
        const grant = await activeGrant(client, "olga", SCOPE);
        await set(client, grant.id, end);
        const serial = randomBytes(8).toString("hex");
        const record = asRole(client, "federation_gateway", () =>
          client.query("select federation.record_certificate($1, $2, repeat('0', 64), now(), 'infinity')", [
            serial,
            grant.id,
          ]),
        );
        expect(await refusal(record)).toBe("CONFLICT");
      }
    });
  });

  // The embedded database has one backend: no two transactions of it are open at once.
  test.skipIf(inject("template").kind === "pglite")(
    "either before its line is revoked, and is revoked with it, or not at all",
    async () => {
      const [gateway, administrator] = [await database.pool.connect(), await database.pool.connect()];
      try {
        const begin = async (): Promise<Grant> => {
          await gateway.query("begin");
          const grant = await activeGrant(gateway, "olga", SCOPE);
          await gateway.query("commit");
          return grant;
        };
        for (const revocation of ["federation.revoke_certificate($1)", "federation.revoke_grant($2)"]) {
          const statement = `select ${revocation} from (select $1::text, $2::uuid) as p`;
          const first = await begin();
          await gateway.query("begin");
          const child = await renew(gateway, first.id, first.serial);
          const waiting = administrator.query(statement, [first.serial, first.id]);
          await new Promise((resolve) => setTimeout(resolve, 100));
          await gateway.query("commit");
          await waiting;
          expect(await certificate(gateway, child)).toMatchObject({ revoked_at: expect.any(Date) as Date });

          const second = await begin();
          await administrator.query("begin");
          await administrator.query(statement, [second.serial, second.id]);
          await gateway.query("begin");
          const renewing = refusal(renew(gateway, second.id, second.serial));
          await new Promise((resolve) => setTimeout(resolve, 100));
          await administrator.query("commit");
          expect(await renewing).toBe("CONFLICT");
          await gateway.query("rollback");
        }
      } finally {
        gateway.release();
        administrator.release();
      }
    },
  );
});

describe("a revocation", () => {
  const attempts = [
    "update federation.federation_certificates set revoked_at = null, revocation_reason = null",
    "update federation.federation_certificates set revoked_at = revoked_at - interval '1 hour'",
    "update federation.federation_certificates set revocation_reason = 'superseded'",
    "update federation.federation_certificates set revocation_epoch = 0",
    "update federation.federation_certificates set not_after = now() + interval '1 second'",
    "update federation.federation_certificates set serial = '00'",
    "update federation.federation_certificates set fingerprint = repeat('0', 64)",
    "update federation.federation_certificates set renewed_from = serial",
    "delete from federation.federation_certificates",
    "truncate federation.federation_certificates",
  ];
  test.each(["postgres", "federation_owner"])("is for ever, to %s, too", async (role) => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      await revoke(client, grant.serial);
      const before = await certificate(client, grant.serial);
      for (const mode of ["origin", "replica"]) {
        for (const attempt of attempts) {
          const trying = inSavepoint(
            client,
            async () => {
              await client.query("set constraints all immediate");
              await client.query(`set local session_replication_role = ${mode}`);
              await client.query(`set local role ${role}`);
              await client.query(attempt);
            },
            "rollback",
          );
          expect(await refusal(trying), `${mode}: ${attempt}`).toBe("CONFLICT");
        }
      }
      expect(await certificate(client, grant.serial)).toEqual(before);
    });
  });

  test("is forgotten when the certificate would have ended", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      await client.query(
        "update federation.federation_certificates set not_before = '-infinity', not_after = now() - interval '1 day' where serial = $1",
        [grant.serial],
      );
      await revoke(client, grant.serial);
      await client.query("delete from federation.federation_certificates where serial = $1", [grant.serial]);
    });
  });

  test("is counted, whoever makes it, and nobody chooses the count", async () => {
    await database.transaction(async (client) => {
      const epoch = async (): Promise<number> => {
        const { rows } = await client.query<{ epoch: string }>("select federation.revocation_epoch() as epoch");
        return Number(only(rows).epoch);
      };
      let last = await epoch();
      const ways: ((grant: Grant) => Promise<unknown>)[] = [
        (grant) => revoke(client, grant.serial),
        (grant) => admin(client, "revoke_grant", grant.id),
        (grant) =>
          client.query(
            `update federation.federation_certificates set revoked_at = now(), revocation_reason = 'unspecified', revocation_epoch = 1
             where serial = $1`,
            [grant.serial],
          ),
      ];
      for (const way of ways) {
        const grant = await activeGrant(client, "olga", SCOPE);
        expect(await certificate(client, grant.serial)).toMatchObject({ revocation_epoch: null });
        await way(grant);
        expect(await certificate(client, grant.serial)).toMatchObject({ revocation_epoch: String(last + 1) });
        last += 1;
        expect(await epoch()).toBe(last);
      }
    });
  });
});

describe("certificates are listed", () => {
  test("to administrators, newest first, of all grants or of one", async () => {
    await database.transaction(async (client) => {
      const [grant, other] = [await activeGrant(client, "olga", SCOPE), await activeGrant(client, "olga", SCOPE)];
      const next = await renew(client, grant.id, grant.serial);
      await createGrant(client, "olga", SCOPE);
      await revoke(client, next);
      const listed = await asRole(client, "federation_admin", () =>
        client.query<{ serial: string }>("select * from federation.list_certificates($1)", [grant.id]),
      );
      expect(listed.rows).toHaveLength(2);
      expect(listed.rows.find(({ serial }) => serial === next)).toMatchObject({
        grant_id: grant.id,
        subject_user_id: "olga",
        peer_host: "home.example.org",
        renewed_from: grant.serial,
        revocation_reason: "keyCompromise",
      });
      const all = await client.query<{ serial: string }>("select serial from federation.list_certificates()");
      expect(all.rows.map(({ serial }) => serial)).toEqual(
        expect.arrayContaining([grant.serial, next, other.serial]) as string[],
      );
    });
  });
});
