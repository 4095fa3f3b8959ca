import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import { only } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** What stands in these settings within a session of a peer for olga. */
async function written(client: PoolClient, names: readonly string[]): Promise<Record<string, string>> {
  await seedPeople(client, { olga: [] });
  const grant = await activeGrant(client, "olga", { resources: ["tasks"], include_personal: true });
  const found = await asPeer(client, grant, () =>
    client.query<{ name: string; value: string | null }>(
      "select n.name, current_setting(n.name, true) as value from unnest($1::text[]) as n (name)",
      [names],
    ),
  );
  return Object.fromEntries(found.rows.map(({ name, value }) => [name, value ?? ""]));
}

const change = (settings: unknown): string =>
  `update federation.federation_resources set identity_settings = jsonb_build_object('settings', '${JSON.stringify(settings).replaceAll("'", "''")}'::jsonb) where name = 'notes'`;

test("each setting of each resource is written, with the subject in its place, as text and within JSON", async () => {
  await database.transaction(async (client) => {
    const odd = `it's "{subject}" %L $1 \\`;
    await client.query(
      change({ "app.user_id": "{subject}", "app.odd": odd, "app.claims": { sub: "{subject}", n: [1] } }),
    );
    expect(await written(client, ["app.user_id", "app.odd", "app.claims"])).toEqual({
      "app.user_id": "olga",
      "app.odd": odd.replace("{subject}", "olga"),
      "app.claims": '{"n": [1], "sub": "olga"}',
    });
  });
});

test.runIf(inject("template").kind === "postgres")(
  "a start waits for no registration: it asks for the lock that each holds to its end only where there is something to write",
  async () => {
    await database.transaction(async (registering) => {
      await registering.query("select federation.rebuild_assume_identity()");
      await database.transaction(async (starting) => {
        await starting.query("set local lock_timeout = '2s'");
        await starting.query("update federation.federation_prepared_resources set fingerprint = 'of another database'");
        // As a start does: what all share, and then, where something has to be written anew, one at a time.
        for (const names of [[], ["tasks"], ["notes"]]) {
          expect((await starting.query("select * from federation.prepare_resources($1)", [names])).rows).toEqual([]);
        }
      });
    });
  },
);

test("rows that come as by replication change what is written for the next request", async () => {
  await database.transaction(async (client) => {
    await client.query("set local session_replication_role = replica");
    await client.query(change({ "app.replicated": "{subject}" }));
    await client.query("set local session_replication_role = origin");
    expect(await written(client, ["app.replicated"])).toEqual({ "app.replicated": "olga" });
  });
});

test("a start writes the function again where it is not that of the resources that there are", async () => {
  await database.transaction(async (client) => {
    await client.query(
      "create or replace function federation.assume_identity(subject text) returns void language plpgsql set search_path = '' as 'begin end'",
    );
    await client.query("select federation.prepare_resources()");
    expect(await written(client, ["app.user_id"])).toEqual({ "app.user_id": "olga" });
    const { rows } = await client.query<{ count: string }>("select count(*) from federation.prepare_resources()");
    expect(only(rows).count).toBe("0");
  });
});
