import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asRole, seedPeople } from "./actors.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** Olga has two peers, mia has none. */
async function arrange(client: PoolClient): Promise<void> {
  await seedPeople(client, { olga: [], mia: [] });
  await client.query(
    `select federation.add_peer(gen_random_uuid(), 'olga', h.host, 'https://w', 'https://w', gen_random_uuid(), '\\x00', '{}', '00', now() + interval '1 day', '\\x00')
     from (values ('z.example'), ('a.example')) h (host)`,
  );
}

async function tokenOf(client: PoolClient, user: string): Promise<string> {
  const { rows } = await client.query<{ token: string }>("select token from federation.create_user_token($1)", [user]);
  return rows[0]?.token ?? "";
}

/** What the gateway is told of a token: the user, and the host of each of their peers. */
async function holder(client: PoolClient, token: string | null): Promise<[user: string, host: string | null][]> {
  const { rows } = await asRole(client, "federation_gateway", () =>
    client.query<{ user_id: string; host: string | null }>(
      "select h.user_id, (h.peer).host from federation.holder_of_token($1) h order by (h.peer).host",
      [token],
    ),
  );
  return rows.map(({ user_id, host }) => [user_id, host]);
}

describe("the holder of a token", () => {
  test("comes with their own peers, by host, and with nobody else's", async () => {
    await database.transaction(async (client) => {
      await arrange(client);
      expect(await holder(client, await tokenOf(client, "olga"))).toEqual([
        ["olga", "a.example"],
        ["olga", "z.example"],
      ]);
      expect(await holder(client, await tokenOf(client, "mia"))).toEqual([["mia", null]]);
    });
  });

  test.each([
    ["revoked", "update federation.federation_user_tokens set revoked_at = now()"],
    ["past its end", "update federation.federation_user_tokens set expires_at = now()"],
    ["of a user who is gone", "delete from app.users where id = 'olga'"],
  ])("is nobody where the token is %s", async (_what, statement) => {
    await database.transaction(async (client) => {
      await arrange(client);
      const token = await tokenOf(client, "olga");
      expect(await holder(client, token)).toHaveLength(2);
      await client.query(statement);
      expect(await holder(client, token)).toEqual([]);
    });
  });

  test("is nobody where there is no token, or none that anyone made", async () => {
    await database.transaction(async (client) => {
      await arrange(client);
      await tokenOf(client, "olga");
      for (const token of [null, "", "mosaic_", "olga"]) {
        expect(await holder(client, token)).toEqual([]);
      }
    });
  });
});
