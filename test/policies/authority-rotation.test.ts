import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activate, activeGrant, asRole, createGrant, recordCertificate, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { admin } from "./grants.ts";
import { only, refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
const [OLDER, NEWER, NEWEST] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
const DENIED = "42501";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

function add(client: PoolClient, kind: "embedded" | "step-ca", fingerprint: string): Promise<unknown> {
  return asRole(client, "federation_admin", () =>
    client.query("select federation.add_authority(gen_random_uuid(), $1, $2, $3, $4)", [
      kind,
      randomBytes(8),
      fingerprint,
      kind === "embedded" ? randomBytes(8) : null,
    ]),
  );
}
function rotate(client: PoolClient, fingerprint: string, role = "federation_admin"): Promise<unknown> {
  return asRole(client, role, () =>
    client.query("select federation.rotate_authority(gen_random_uuid(), $1, $2, $3, $4)", [
      randomBytes(8),
      fingerprint,
      randomBytes(8),
      randomBytes(8),
    ]),
  );
}
/** Lets time pass for authorities, certificates and tokens; less than none sets the clock back. */
async function pass(client: PoolClient, time: string): Promise<void> {
  // A table whose triggers still wait for the commit is not altered.
  await client.query("set constraints all immediate; set constraints all deferred");
  await client.query("set local session_replication_role = replica");
  await client.query("alter table federation.federation_certificates disable trigger _100_lifecycle");
  await client.query("update federation.federation_authorities set created_at = created_at - $1::interval", [time]);
  await client.query(
    `update federation.federation_certificates
     set issued_at = issued_at - $1::interval, not_before = not_before - $1::interval, not_after = not_after - $1::interval`,
    [time],
  );
  await client.query("alter table federation.federation_certificates enable always trigger _100_lifecycle");
  await client.query("set local session_replication_role = origin");
}
/** Those that are trusted, the one that signs first. */
async function trusted(client: PoolClient): Promise<string[]> {
  return asRole(client, "federation_gateway", async () => {
    const { rows } = await client.query<{ fingerprint: string }>(
      "select fingerprint from federation.list_authorities() where retired_at is null",
    );
    return rows.map(({ fingerprint }) => fingerprint);
  });
}
/** The root that a new enrollment URL names. */
async function pinned(client: PoolClient, subject = "olga"): Promise<string | undefined> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ enrollment_url: string }>(
      "select enrollment_url from federation.create_grant($1, 'home.example.org', $2)",
      [subject, JSON.stringify(SCOPE)],
    );
    return only(rows).enrollment_url.split("#sha256=")[1];
  });
}
/** Live certificates of each authority, newest first, and whether anything of it is still to end. */
async function status(client: PoolClient): Promise<[string, number, boolean][]> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ fingerprint: string; live: number; lasts: boolean }>(
      "select fingerprint, live_certificates::integer as live, last_ends is not null as lasts from federation.authority_status()",
    );
    return rows.map(({ fingerprint, live, lasts }) => [fingerprint, live, lasts]);
  });
}
async function retire(client: PoolClient, role = "federation_worker"): Promise<string[]> {
  return asRole(client, role, async () => {
    const { rows } = await client.query<{ fingerprint: string }>(
      "select fingerprint from federation.retire_authorities() as r (fingerprint)",
    );
    return rows.map(({ fingerprint }) => fingerprint);
  });
}
async function signerOf(client: PoolClient, serial: string): Promise<string | undefined> {
  const { rows } = await client.query<{ fingerprint: string }>(
    `select a.fingerprint from federation.federation_certificates c join federation.federation_authorities a on a.id = c.authority_id
     where c.serial = $1`,
    [serial],
  );
  return rows[0]?.fingerprint;
}

/** A database whose older root has signed a certificate and is a day old. */
async function begun(work: (client: PoolClient, grant: Grant) => Promise<void>): Promise<void> {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [], mia: [] });
    await client.query(`select federation.publish_settings('{"public_url": "https://work.example"}')`);
    await add(client, "embedded", OLDER);
    const grant = await activeGrant(client, "olga", SCOPE);
    await pass(client, "1 day");
    await work(client, grant);
  });
}

describe("a root that takes over", () => {
  test("is trusted at once, signs after a minute, and is in enrollment URLs after ten", async () => {
    await begun(async (client, grant) => {
      await rotate(client, NEWER);
      expect(await trusted(client)).toEqual([OLDER, NEWER]);
      expect(await signerOf(client, await recordCertificate(client, grant.id))).toBe(OLDER);
      await pass(client, "2 minutes");
      expect(await trusted(client)).toEqual([NEWER, OLDER]);
      expect(await signerOf(client, await recordCertificate(client, grant.id))).toBe(NEWER);
      expect(await pinned(client)).toBe(OLDER);
      await pass(client, "10 minutes");
      expect(await pinned(client, "mia")).toBe(NEWER);
    });
  });

  test("goes on signing though the clock is set back a day, once it has signed; else it waits as long again", async () => {
    for (const hasSigned of [true, false]) {
      await begun(async (client, grant) => {
        await rotate(client, NEWER);
        await pass(client, "2 minutes");
        if (hasSigned) {
          await recordCertificate(client, grant.id);
        }
        await pass(client, "-1 day");
        expect(await trusted(client)).toEqual(hasSigned ? [NEWER, OLDER] : [OLDER, NEWER]);
        // The root that leads to both is the one that is named meanwhile.
        expect(await pinned(client)).toBe(OLDER);
      });
    }
  });

  test("is the newer one though the clock was set back before it was made", async () => {
    await begun(async (client) => {
      await pass(client, "-3 days");
      await rotate(client, NEWER);
      await pass(client, "4 days");
      expect(await trusted(client)).toEqual([NEWER, OLDER]);
    });
  });

  test("is in the audit log with who made it, and without its key", async () => {
    await begun(async (client) => {
      await rotate(client, NEWER);
      await client.query("set constraints all immediate");
      const { rows } = await client.query<{ verb: string; details: { after: Record<string, unknown> } }>(
        `select verb, details from federation.federation_audit_log where verb = 'authority.created' and details -> 'after' ->> 'fingerprint' = $1`,
        [NEWER],
      );
      const { after } = only(rows).details;
      expect(after).toMatchObject({ kind: "embedded", fingerprint: NEWER });
      expect(Object.keys(after)).not.toContain("sealed_key");
      const { rows: stored } = await client.query("select sealed_key from federation.list_authorities()");
      expect(stored).toHaveLength(2);
    });
  });

  test("comes alone: another waits until the older has retired", async () => {
    await begun(async (client, grant) => {
      await rotate(client, NEWER);
      await pass(client, "2 hours");
      expect(await refusal(rotate(client, NEWEST))).toBe("CONFLICT");
      expect(await trusted(client)).toEqual([NEWER, OLDER]);
      await admin(client, "revoke_grant", grant.id);
      await pass(client, "32 days");
      expect(await retire(client)).toEqual([OLDER]);
      await rotate(client, NEWEST);
      expect(await trusted(client)).toEqual([NEWER, NEWEST]);
    });
  });

  test("is not made where there is no root yet, or where the root is step-ca's", async () => {
    await database.transaction(async (client) => {
      expect(await refusal(rotate(client, NEWER))).toBe("CONFLICT");
      await add(client, "embedded", OLDER);
      await add(client, "step-ca", OLDER);
      expect(await refusal(rotate(client, NEWER))).toBe("CONFLICT");
      await add(client, "embedded", OLDER);
      await rotate(client, NEWER);
      expect(await trusted(client)).toEqual([OLDER, NEWER]);
    });
  });

  test("keeps step-ca out until it stands alone", async () => {
    await begun(async (client) => {
      await rotate(client, NEWER);
      await pass(client, "2 hours");
      expect(await refusal(add(client, "step-ca", NEWER))).toBe("CONFLICT");
      await pass(client, "40 days");
      await retire(client);
      await add(client, "step-ca", NEWER);
      expect(await trusted(client)).toEqual([NEWER]);
    });
  });
});

describe("a root that goes", () => {
  test("retires a day after its last certificate has ended, a revoked one included, and not sooner", async () => {
    await begun(async (client, grant) => {
      await rotate(client, NEWER);
      await pass(client, "1 hour");
      await admin(client, "revoke_grant", grant.id);
      await pass(client, "28 days 12 hours");
      // It ends in half an hour.
      expect(await status(client)).toEqual([
        [NEWER, 0, false],
        [OLDER, 0, true],
      ]);
      expect(await retire(client)).toEqual([]);
      await pass(client, "12 hours");
      expect(await retire(client)).toEqual([]);
      await pass(client, "1 day");
      expect(await retire(client)).toEqual([OLDER]);
      expect(await trusted(client)).toEqual([NEWER]);
      expect(await retire(client)).toEqual([]);
    });
  });

  test("stays for the first hour, though it has no certificate", async () => {
    await database.transaction(async (client) => {
      await add(client, "embedded", OLDER);
      await pass(client, "1 day");
      await rotate(client, NEWER);
      await pass(client, "50 minutes");
      expect(await retire(client)).toEqual([]);
      await pass(client, "11 minutes");
      expect(await retire(client)).toEqual([OLDER]);
    });
  });

  test("alone never retires, and neither does the newer of two", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await add(client, "embedded", OLDER);
      await pass(client, "400 days");
      expect(await retire(client)).toEqual([]);
      await activeGrant(client, "olga", SCOPE);
      await rotate(client, NEWER);
      await pass(client, "2 hours");
      expect(await retire(client)).toEqual([]);
      expect(await trusted(client)).toEqual([NEWER, OLDER]);
    });
  });

  test("waits for what was issued in the half hour after the change: a URL that names it may have been used", async () => {
    await begun(async (client) => {
      await rotate(client, NEWER);
      await pass(client, "9 minutes");
      expect(await pinned(client)).toBe(OLDER);
      const grant = await createGrant(client, "mia", SCOPE);
      await pass(client, "14 minutes");
      const { serial } = await activate(client, grant);
      expect(await signerOf(client, serial)).toBe(NEWER);
      expect(await status(client)).toEqual([
        [NEWER, 0, false],
        [OLDER, 2, true],
      ]);
      await pass(client, "10 minutes");
      await recordCertificate(client, grant.id);
      expect(await status(client)).toEqual([
        [NEWER, 1, true],
        [OLDER, 2, true],
      ]);
    });
  });

  test("takes certificates with it of which it was not written down who signed them", async () => {
    await begun(async (client, grant) => {
      await client.query("update federation.federation_certificates set authority_id = null where serial = $1", [
        grant.serial,
      ]);
      await rotate(client, NEWER);
      await pass(client, "2 hours");
      expect(await retire(client)).toEqual([]);
      await pass(client, "40 days");
      expect(await retire(client)).toEqual([OLDER]);
    });
  });
});

describe("a root whose key was stolen", () => {
  const retireNow = (client: PoolClient, fingerprint: string, role = "federation_admin"): Promise<number> =>
    asRole(client, role, async () => {
      const { rows } = await client.query<{ refused: number }>(
        "select federation.retire_authority($1)::integer as refused",
        [fingerprint],
      );
      return only(rows).refused;
    });

  test("is trusted no more from then on, though certificates of it are good, and the newer one signs at once", async () => {
    await begun(async (client, grant) => {
      await rotate(client, NEWER);
      expect(await retireNow(client, OLDER)).toBe(1);
      expect(await trusted(client)).toEqual([NEWER]);
      expect(await pinned(client, "mia")).toBe(NEWER);
      expect(await signerOf(client, await recordCertificate(client, grant.id))).toBe(NEWER);
      await rotate(client, NEWEST);
      expect(await trusted(client)).toEqual([NEWER, NEWEST]);
    });
  });

  test("is the older of two: the newest stays, and one alone", async () => {
    await begun(async (client) => {
      expect(await refusal(retireNow(client, OLDER))).toBe("CONFLICT");
      await rotate(client, NEWER);
      expect(await refusal(retireNow(client, NEWER))).toBe("CONFLICT");
      expect(await trusted(client)).toEqual([OLDER, NEWER]);
    });
  });

  test("is there to be retired, once, and by an administrator", async () => {
    await begun(async (client) => {
      await rotate(client, NEWER);
      expect(await refusal(retireNow(client, NEWEST))).toBe("NOT_FOUND");
      for (const role of ["federation_gateway", "federation_worker", "federation_peer", "federation_user"]) {
        expect(await refusal(retireNow(client, OLDER, role)), role).toBe(DENIED);
      }
      await retireNow(client, OLDER);
      expect(await refusal(retireNow(client, OLDER))).toBe("NOT_FOUND");
    });
  });
});

describe("who may", () => {
  const OTHERS = ["federation_gateway", "federation_worker", "federation_peer", "federation_user"];

  test("rotate: administrators alone", async () => {
    await begun(async (client) => {
      for (const role of OTHERS) {
        expect(await refusal(rotate(client, NEWER, role)), role).toBe(DENIED);
      }
      await rotate(client, NEWER);
      expect(await trusted(client)).toContain(NEWER);
    });
  });

  test("retire: the worker and administrators", async () => {
    await begun(async (client) => {
      await rotate(client, NEWER);
      await pass(client, "40 days");
      for (const role of ["federation_gateway", "federation_peer", "federation_user"]) {
        expect(await refusal(retire(client, role)), role).toBe(DENIED);
      }
      expect(await retire(client, "federation_admin")).toEqual([OLDER]);
    });
  });

  test("see how it stands: administrators; and read the sealed keys: no worker, peer or user", async () => {
    await begun(async (client) => {
      const asking = (role: string, what: string): Promise<unknown> =>
        asRole(client, role, () => client.query(`select * from federation.${what}()`));
      for (const role of OTHERS) {
        expect(await refusal(asking(role, "authority_status")), role).toBe(DENIED);
      }
      for (const role of OTHERS.slice(1)) {
        expect(await refusal(asking(role, "list_authorities")), role).toBe(DENIED);
      }
      expect(await status(client)).toHaveLength(1);
      expect(await trusted(client)).toEqual([OLDER]);
    });
  });
});
