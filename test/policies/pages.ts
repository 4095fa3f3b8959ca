import { createHash, randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asRole, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { only } from "./verbs.ts";

/** Somebody who is signed in to the pages: the hash of their cookie. */
export type Session = Buffer;

function newSession(): Session {
  return createHash("sha256").update(randomBytes(32)).digest();
}

/** Adds an administrator and signs them in, as the gateway does. */
export async function administrator(client: PoolClient, name: string): Promise<Session> {
  const { rows } = await asRole(client, "federation_admin", () =>
    client.query<{ token: string }>("select token from federation.add_administrator($1)", [name]),
  );
  return signIn(client, only(rows).token);
}

/** Makes a token of a local user and signs them in. */
async function signedInUser(client: PoolClient, user: string): Promise<Session> {
  const { rows } = await asRole(client, "federation_admin", () =>
    client.query<{ token: string }>("select token from federation.create_user_token($1)", [user]),
  );
  return signIn(client, only(rows).token);
}

/** Signs a browser in by a token. */
export async function signIn(client: PoolClient, token: string): Promise<Session> {
  const session = newSession();
  await asRole(client, "federation_gateway", () =>
    client.query("select federation.sign_in_by_token($1, $2)", [session, token]),
  );
  return session;
}

/** What a function of `admin_api` answers to whoever is signed in, asked the way the gateway asks it. What it wrote stays. */
export async function asked<T>(client: PoolClient, session: Session, call: string, values: unknown[] = []): Promise<T> {
  return asRole(client, "federation_gateway", async () => {
    await client.query("select federation.enter_as_person($1)", [session]);
    await client.query("set local role federation_pages");
    const { rows } = await client.query<{ answer: T }>(`select admin_api.${call} as answer`, values);
    return only(rows).answer;
  });
}

/** Two users with a grant and a peer each, and an administrator, who are signed in. */
export interface PagesWorld {
  ada: Session;
  olga: Session;
  mia: Session;
  olgas: Grant;
  mias: Grant;
}

/** The scope of olga's grant: one of her four rows. */
export const SCOPE: Scope = { resources: ["tasks"], include_teams: ["t1"] };

/** Makes the world of the tests of the pages. */
export async function openPagesWorld(database: TestDatabase): Promise<PagesWorld> {
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t3"] });
  await seedRows(client, "tasks", [
    { owner: "olga", team: null, label: "own" },
    { owner: "olga", team: "t1", label: "team" },
    { owner: "olga", team: "t2", label: "other team" },
    { owner: "mia", team: "t3", label: "foreign" },
  ]);
  await seedRows(client, "notes", [{ owner: "olga", team: "t1", label: "note" }]);
  await seedRows(client, "credentials", [{ owner: "olga", team: "t1", label: "login" }]);
  const olgas = await activeGrant(client, "olga", SCOPE);
  const mias = await activeGrant(client, "mia", { resources: ["tasks"], include_teams: "*" });
  for (const user of ["olga", "mia"]) {
    await client.query(
      `insert into federation.federation_peers
         (id, owner_user_id, host, federation_url, public_url, grant_id, root_certificate_der, certificate_chain_der, certificate_serial, certificate_not_after, sealed_key)
       values (gen_random_uuid(), $1, 'far.example', 'https://far.example', 'https://far.example', gen_random_uuid(), '\\x00', '{"\\\\x00"}', '00', now() + interval '1 day', '\\x00')`,
      [user],
    );
  }
  const ada = await administrator(client, "ada");
  const olga = await signedInUser(client, "olga");
  const mia = await signedInUser(client, "mia");
  await client.query("commit");
  client.release();
  return { ada, olga, mia, olgas, mias };
}
