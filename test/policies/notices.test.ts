import type { Notification, PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asRole, createGrant, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { admin } from "./grants.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;
let client: PoolClient;
let heard: string[] = [];

// One connection makes the change and hears of it, for the embedded database has one backend.
beforeAll(async () => {
  database = await openTestDatabase();
  client = await database.pool.connect();
  client.on("notification", ({ payload }: Notification) => heard.push(payload ?? ""));
  await client.query("listen federation_grants");
  await seedPeople(client, { olga: [], mia: [] });
});
beforeEach(() => {
  heard = [];
});
afterAll(async () => {
  await client.query("unlisten *");
  client.release();
  await database.close();
});

async function committed<T>(work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  const result = await work();
  await client.query("commit");
  // What a commit has sent comes before the answer to the next statement.
  await client.query("select 1");
  return result;
}

async function grantAt(subject: string): Promise<Grant> {
  const grant = await committed(() => activeGrant(client, subject, SCOPE));
  heard = [];
  return grant;
}

const told = (): unknown[] => heard.map((payload) => JSON.parse(payload) as unknown);

describe("gateways are told, at the commit,", () => {
  test("of every step in the life of a grant, and of its end once, without its certificates", async () => {
    const pending = await committed(() => createGrant(client, "olga", SCOPE));
    expect(told()).toEqual([]);
    const grant = await grantAt("olga");
    for (const [verb, status] of [
      ["suspend_grant", "suspended"],
      ["suspend_grant", undefined],
      ["resume_grant", "active"],
      ["revoke_grant", "revoked"],
      ["revoke_grant", undefined],
    ] as const) {
      heard = [];
      await committed(() => admin(client, verb, grant.id));
      expect(told(), verb).toEqual(status === undefined ? [] : [{ grant: grant.id, status }]);
    }
    heard = [];
    await committed(() => admin(client, "revoke_grant", pending.id));
    expect(told()).toEqual([{ grant: pending.id, status: "revoked" }]);
  });

  test("of another scope, and not of the same again", async () => {
    const grant = await grantAt("olga");
    const update = (scope: object): Promise<unknown> =>
      committed(() => client.query("select federation.update_grant($1, $2)", [grant.id, JSON.stringify(scope)]));
    await update({ resources: ["notes"] });
    await update({ resources: ["notes"] });
    expect(told()).toEqual([{ grant: grant.id, status: "changed" }]);
  });

  test("of each certificate that is revoked while its grant goes on", async () => {
    const grant = await grantAt("olga");
    await committed(() => client.query("select federation.revoke_certificate($1)", [grant.serial]));
    expect(told()).toEqual([{ grant: grant.id, certificate: grant.serial, status: "revoked" }]);
  });

  test("of a root that takes over, and of the one before it that retires", async () => {
    const root = "a".repeat(64);
    await committed(() =>
      client.query("select federation.add_authority(gen_random_uuid(), 'embedded', '', $1, '')", [root]),
    );
    heard = [];
    await committed(() =>
      client.query("select federation.rotate_authority(gen_random_uuid(), '', $1, '', '')", ["b".repeat(64)]),
    );
    expect(told()).toEqual([{ authorities: true }]);
    heard = [];
    const retire = (): Promise<unknown> => committed(() => client.query("select federation.retire_authorities()"));
    await retire();
    expect(told()).toEqual([]);
    // As if the newer one had signed all there is since.
    await committed(() =>
      client.query(
        `with aged as (
           update federation.federation_authorities set created_at = created_at - interval '2 hours' returning id, cross_certificate_der
         )
         update federation.federation_certificates set authority_id = (select id from aged where cross_certificate_der is not null)`,
      ),
    );
    heard = [];
    await retire();
    expect(told()).toEqual([{ authorities: true }]);
  });

  test("of nothing that was rolled back", async () => {
    const grant = await grantAt("olga");
    await client.query("begin");
    await admin(client, "revoke_grant", grant.id);
    await client.query("rollback");
    await client.query("select 1");
    expect(told()).toEqual([]);
    await committed(() => admin(client, "suspend_grant", grant.id));
    expect(told()).toEqual([{ grant: grant.id, status: "suspended" }]);
  });

  test("by one notice for all, after the first thousand of a transaction, whatever the transaction has set", async () => {
    const many = 1_100;
    await committed(() =>
      client.query(
        `insert into federation.federation_grants (subject_user_id, peer_host, scope)
         select 'mia', 'home.example.org', '{"resources": ["tasks"]}' from generate_series(1, $1)`,
        [many],
      ),
    );
    await committed(() => client.query("delete from app.users where id = 'mia'"));
    expect(heard).toHaveLength(1_001);
    expect(told().at(-1)).toEqual({ all: true });
    expect(Math.max(...heard.map((payload) => payload.length))).toBeLessThan(200);

    const grant = await grantAt("olga");
    for (const setting of ["999999", "-5", "x", "99999999999999999999"]) {
      heard = [];
      await committed(async () => {
        await client.query("select set_config('federation.notices', $1, true)", [setting]);
        await asRole(client, "federation_admin", () =>
          client.query(
            "select federation.suspend_grant(id), federation.resume_grant(id) from federation.list_grants() where id = $1",
            [grant.id],
          ),
        );
      });
      expect(heard.length, setting).toBeGreaterThan(0);
    }
  });
});
