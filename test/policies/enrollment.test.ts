import { createHash } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import {
  activate,
  activeGrant,
  asPeer,
  asRole,
  createGrant,
  recordCertificate,
  seedPeople,
  seedRows,
} from "./actors.ts";
import type { Grant } from "./actors.ts";
import { set, shown } from "./grants.ts";
import { enrollAgain, redeem } from "./tokens.ts";
import { only, refusal, visibleIds } from "./verbs.ts";

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

function read(client: PoolClient, grant: Pick<Grant, "id" | "serial"> & { subject: string | null }): Promise<string[]> {
  return asPeer(client, grant as Grant, () => visibleIds(client, "tasks"));
}

describe("an enrollment token", () => {
  test("is good once", async () => {
    await database.transaction(async (client) => {
      const { token } = await createGrant(client, "olga", SCOPE);
      await redeem(client, token);
      expect(await refusal(redeem(client, token))).toBe("TOKEN_SPENT");
    });
  });

  test("is good for one of two who come at once", async () => {
    const { token } = await database.committed((client) => createGrant(client, "olga", SCOPE));
    const outcomes = await Promise.all(
      [1, 2].map(() =>
        database
          .committed((client) => redeem(client, token))
          .then(
            () => "redeemed",
            (error: unknown) => refusal(Promise.reject(error as Error)),
          ),
      ),
    );
    expect(outcomes.sort()).toEqual(["TOKEN_SPENT", "redeemed"]);
  });

  test("is good for 15 minutes", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      const { rows } = await client.query<{ life: string }>(
        "select (expires_at - now())::text as life from federation.federation_enrollment_tokens where grant_id = $1",
        [id],
      );
      expect(rows).toEqual([{ life: "00:15:00" }]);
      await client.query(
        `update federation.federation_enrollment_tokens
         set created_at = created_at - interval '15 minutes', expires_at = expires_at - interval '15 minutes' where grant_id = $1`,
        [id],
      );
      expect(await refusal(redeem(client, token))).toBe("TOKEN_SPENT");
    });
  });

  test("is kept as a hash only, in every table of the federation", async () => {
    await database.transaction(async (client) => {
      const { id, token } = await createGrant(client, "olga", SCOPE);
      expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
      const { rows } = await client.query<{ hash: Buffer }>(
        "select token_hash as hash from federation.federation_enrollment_tokens where grant_id = $1",
        [id],
      );
      expect(only(rows).hash.equals(createHash("sha256").update(token).digest())).toBe(true);
      const tables = await client.query<{ id: string }>(
        "select oid::regclass::text as id from pg_class where relnamespace = 'federation'::regnamespace and relkind in ('r', 'p')",
      );
      for (const table of tables.rows) {
        const found = await client.query(
          `select from ${table.id} t
           where strpos(t::text, $1) > 0 or strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0`,
          [token],
        );
        expect(found.rowCount, table.id).toBe(0);
      }
    });
  });

  test.each(["", "x", null, "' or true --", "A".repeat(43)])("that was never one (%j) is spent", async (token) => {
    await database.transaction(async (client) => {
      await createGrant(client, "olga", SCOPE);
      expect(await refusal(redeem(client, token))).toBe("TOKEN_SPENT");
    });
  });

  test("of a grant that was revoked or has expired is spent, and activates nothing", async () => {
    await database.transaction(async (client) => {
      const [revoked, expired] = [await createGrant(client, "olga", SCOPE), await createGrant(client, "olga", SCOPE)];
      await client.query("select federation.revoke_grant($1)", [revoked.id]);
      await client.query("update federation.federation_grants set expires_at = now() where id = $1", [expired.id]);
      expect(await refusal(redeem(client, revoked.token))).toBe("TOKEN_SPENT");
      expect(await refusal(redeem(client, expired.token))).toBe("TOKEN_SPENT");
      const { rows } = await client.query(
        "select activated_at from federation.federation_grants where id in ($1, $2)",
        [revoked.id, expired.id],
      );
      expect(rows).toEqual([{ activated_at: null }, { activated_at: null }]);
    });
  });

  test("that is made anew ends the one before", async () => {
    await database.transaction(async (client) => {
      const grant = await createGrant(client, "olga", SCOPE);
      const anew = await enrollAgain(client, grant.id);
      expect(await refusal(redeem(client, grant.token))).toBe("TOKEN_SPENT");
      await redeem(client, anew);
    });
  });

  test("of an active grant gives it another certificate and supersedes those before, which serve until then", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const second = { ...grant, serial: await recordCertificate(client, grant.id) };
      const token = await enrollAgain(client, grant.id);
      expect([await read(client, grant), await read(client, second)]).toEqual([[row], [row]]);
      const before = await activatedAt(client, grant.id);
      const again = await activate(client, { ...grant, token });
      expect(await read(client, again)).toEqual([row]);
      for (const old of [grant, second]) {
        expect(await refusal(read(client, old))).toBe("CERTIFICATE_REVOKED");
      }
      const { rows } = await client.query(
        "select distinct revocation_reason as reason from federation.federation_certificates where serial in ($1, $2)",
        [grant.serial, second.serial],
      );
      expect(rows).toEqual([{ reason: "superseded" }]);
      expect(await activatedAt(client, grant.id)).toEqual(before);
      expect(await refusal(redeem(client, token))).toBe("TOKEN_SPENT");
    });
  });

  test("of an active grant that cannot be used leaves its certificates as they are", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const first = await enrollAgain(client, grant.id);
      await enrollAgain(client, grant.id);
      expect(await refusal(redeem(client, first))).toBe("TOKEN_SPENT");
      expect(await read(client, grant)).toEqual([row]);
    });
  });

  test("is given to no grant that is suspended, has ended or is not there, and is of no use once it is", async () => {
    await database.transaction(async (client) => {
      for (const end of [
        "status = 'suspended'",
        "expires_at = now()",
        "status = 'revoked', ended_at = now()",
        "status = 'expired', ended_at = now()",
      ]) {
        const grant = await activeGrant(client, "olga", SCOPE);
        const token = await enrollAgain(client, grant.id);
        await set(client, grant.id, end);
        expect(await refusal(redeem(client, token)), end).toBe("TOKEN_SPENT");
        expect(await refusal(enrollAgain(client, grant.id)), end).toBe("CONFLICT");
      }
      expect(await refusal(enrollAgain(client, "00000000-0000-4000-8000-000000000000"))).toBe("NOT_FOUND");
    });
  });
});

async function activatedAt(client: PoolClient, id: string): Promise<unknown> {
  return (await shown(client, id))["activated_at"];
}

describe("a certificate", () => {
  test("opens the session of its own grant and subject only", async () => {
    await database.transaction(async (client) => {
      const [olga, twin, mia] = [
        await activeGrant(client, "olga", SCOPE),
        await activeGrant(client, "olga", SCOPE),
        await activeGrant(client, "mia", SCOPE),
      ];
      expect(await read(client, olga)).toEqual([row]);
      expect(await read(client, mia)).toEqual([]);
      expect(await refusal(read(client, { ...olga, serial: "00ff" }))).toBe("CERTIFICATE_UNKNOWN");
      expect(await refusal(read(client, { ...olga, serial: twin.serial }))).toBe("CERTIFICATE_UNKNOWN");
      expect(await refusal(read(client, { ...olga, serial: mia.serial }))).toBe("CERTIFICATE_UNKNOWN");
      expect(await refusal(read(client, { ...olga, subject: "mia" }))).toBe("SUBJECT_MISMATCH");
      expect(await refusal(read(client, { ...olga, subject: "" }))).toBe("SUBJECT_MISMATCH");
      expect(await refusal(read(client, { ...olga, subject: null }))).toBe("SUBJECT_MISMATCH");
      expect(await refusal(read(client, { ...mia, id: olga.id }))).toBe("SUBJECT_MISMATCH");
      expect(await refusal(read(client, { ...olga, id: "00000000-0000-4000-8000-000000000000" }))).toBe(
        "GRANT_UNKNOWN",
      );
    });
  });

  test("that was revoked, or whose time is over, opens none, while a newer one of the grant does", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const newer = { ...grant, serial: await recordCertificate(client, grant.id) };
      const third = { ...grant, serial: await recordCertificate(client, grant.id) };
      await client.query(
        "update federation.federation_certificates set revoked_at = now(), revocation_reason = 'superseded' where serial = $1",
        [grant.serial],
      );
      await client.query(
        "update federation.federation_certificates set not_before = '-infinity', not_after = now() where serial = $1",
        [third.serial],
      );
      expect(await refusal(read(client, grant))).toBe("CERTIFICATE_REVOKED");
      expect(await refusal(read(client, third))).toBe("CERTIFICATE_REVOKED");
      expect(await read(client, newer)).toEqual([row]);
    });
  });
});

describe("the subject's end", () => {
  const endings: [string, string, string][] = [
    ["is deleted", "delete from app.users where id = 'olga'", "GRANT_REVOKED"],
    ["gets another id", "update app.users set id = 'helga' where id = 'olga'", "GRANT_REVOKED"],
    ["is truncated away", "truncate app.users cascade", "GRANT_REVOKED"],
  ];
  test.each(endings)(
    "a grant whose subject %s is revoked at once, and stays so when the id comes back",
    async (_, statement, code) => {
      await database.transaction(async (client) => {
        await client.query("delete from app.tasks");
        const grant = await activeGrant(client, "olga", SCOPE);
        const pending = await createGrant(client, "olga", SCOPE);
        await client.query(statement);
        expect(await refusal(read(client, grant))).toBe(code);
        await client.query("insert into app.users (id, name, email) values ('olga', 'another', 'another@example.org')");
        expect(await refusal(read(client, grant))).toBe(code);
        expect(await refusal(activate(client, pending))).toBe("TOKEN_SPENT");
        const { rows } = await client.query(
          "select distinct status, end_reason from federation.federation_grants where subject_user_id = 'olga' and id in ($1, $2)",
          [grant.id, pending.id],
        );
        expect(rows).toEqual([{ status: "revoked", end_reason: "subject deleted" }]);
      });
    },
  );

  test.each([
    "delete from app.users where id = 'mia'",
    "update app.users set id = 'maria' where id = 'mia'",
    "update app.users set name = 'Olga' where id = 'olga'",
    "update app.users set id = id where id = 'olga'",
  ])("a grant goes on after: %s", async (statement) => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      await client.query(statement);
      expect(await read(client, grant)).toEqual([row]);
    });
  });

  test("is felt where no trigger told of it: the peer reads and renews nothing, and nobody enrolls", async () => {
    await database.transaction(async (client) => {
      const [grant, pending] = [await activeGrant(client, "olga", SCOPE), await createGrant(client, "olga", SCOPE)];
      await client.query(`
        set constraints all immediate;
        alter table app.users disable trigger all;
        update app.users set id = 'helga' where id = 'olga'`);
      expect(await shown(client, grant.id)).toMatchObject({ status: "active" });
      expect(await refusal(read(client, grant))).toBe("SUBJECT_UNKNOWN");
      const renewing = asRole(client, "federation_gateway", () =>
        client.query("select federation.begin_renewal($1, 'olga', $2, $3)", [
          grant.id,
          grant.serial,
          fingerprintFor(grant.serial),
        ]),
      );
      expect(await refusal(renewing)).toBe("SUBJECT_UNKNOWN");
      expect(await refusal(redeem(client, pending.token))).toBe("TOKEN_SPENT");
      const inviting = asRole(client, "federation_admin", () =>
        client.query("select federation.create_enrollment_token($1)", [grant.id]),
      );
      expect(await refusal(inviting)).toBe("SUBJECT_UNKNOWN");
      await client.query("update app.users set id = 'olga' where id = 'helga'");
      expect(await read(client, grant)).toEqual([row]);
    });
  });

  // The embedded database has one backend: no two transactions of it are open at once.
  describe.skipIf(inject("template").kind === "pglite")(
    "in a transaction beside the one that creates the grant",
    () => {
      const seed = (user: string): Promise<unknown> =>
        database.committed((client) => seedPeople(client, { [user]: [] }));
      const remove = (client: PoolClient, user: string): Promise<unknown> =>
        client.query("delete from app.users where id = $1", [user]);

      test("leaves a grant that nobody can enroll for", async () => {
        await seed("pia");
        const pending = await database.committed(async (client) => {
          const created = await createGrant(client, "pia", SCOPE);
          await database.committed((other) => remove(other, "pia"));
          return created;
        });
        expect(await database.committed((client) => shown(client, pending.id))).toMatchObject({ status: "pending" });
        expect(await refusal(database.committed((client) => redeem(client, pending.token)))).toBe("TOKEN_SPENT");
      });

      test("leaves one that serves nobody, where its peer enrolled before the deletion was committed", async () => {
        await seed("rosa");
        const grant = await database.committed(async (other) => {
          await remove(other, "rosa");
          return database.committed((client) => activeGrant(client, "rosa", SCOPE));
        });
        expect(await database.committed((client) => shown(client, grant.id))).toMatchObject({ status: "active" });
        expect(await refusal(database.committed((client) => read(client, grant)))).toBe("SUBJECT_UNKNOWN");
      });
    },
  );
});
