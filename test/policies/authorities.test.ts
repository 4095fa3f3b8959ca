import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { createGrant, inSavepoint, seedPeople } from "./actors.ts";
import { admin } from "./grants.ts";
import { refusal } from "./verbs.ts";

const [FIRST, SECOND] = ["a".repeat(64), "b".repeat(64)];

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

async function add(client: PoolClient, kind: string, fingerprint: string): Promise<void> {
  await client.query("select federation.add_authority(gen_random_uuid(), $1, $2, $3, $4)", [
    kind,
    randomBytes(8),
    fingerprint,
    kind === "embedded" ? randomBytes(8) : null,
  ]);
}
async function authorities(client: PoolClient): Promise<unknown[]> {
  const { rows } = await client.query(
    `select kind, fingerprint, retired_at is not null as retired, sealed_key is not null as "hasKey" from federation.list_authorities()`,
  );
  return rows;
}

describe("the authority that signs", () => {
  test("changes hands with the same root, and its key stays", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await add(client, "embedded", FIRST);
      await createGrant(client, "olga", { resources: ["tasks"] });
      await add(client, "step-ca", FIRST);
      const [now] = await authorities(client);
      expect(now).toEqual({ kind: "step-ca", fingerprint: FIRST, retired: false, hasKey: true });
      await add(client, "embedded", FIRST);
      expect(await authorities(client)).toHaveLength(1);
    });
  });

  test("is not replaced by one of another root while a grant lives, and is when none does", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await add(client, "embedded", FIRST);
      const grant = await createGrant(client, "olga", { resources: ["tasks"] });
      const attempt = inSavepoint(client, () => add(client, "step-ca", SECOND), "rollback");
      expect(await refusal(attempt)).toBe("CONFLICT");
      expect(await authorities(client)).toHaveLength(1);
      await admin(client, "revoke_grant", grant.id);
      await add(client, "step-ca", SECOND);
      expect(await authorities(client)).toEqual([
        { kind: "step-ca", fingerprint: SECOND, retired: false, hasKey: false },
        { kind: "embedded", fingerprint: FIRST, retired: true, hasKey: true },
      ]);
    });
  });

  test("comes back after it was retired, with the key that it had", async () => {
    await database.transaction(async (client) => {
      await add(client, "embedded", FIRST);
      await add(client, "step-ca", SECOND);
      await add(client, "step-ca", FIRST);
      expect(await authorities(client)).toEqual([
        { kind: "step-ca", fingerprint: FIRST, retired: false, hasKey: true },
        { kind: "step-ca", fingerprint: SECOND, retired: true, hasKey: false },
      ]);
    });
  });

  test("is replaced where the last grant has expired", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await add(client, "embedded", FIRST);
      const grant = await createGrant(client, "olga", { resources: ["tasks"] });
      await client.query(
        "update federation.federation_grants set expires_at = now() - interval '1 second' where id = $1",
        [grant.id],
      );
      await add(client, "step-ca", SECOND);
      expect(await authorities(client)).toHaveLength(2);
    });
  });
});
