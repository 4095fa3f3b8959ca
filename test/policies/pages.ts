import { createHash, randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { asRole } from "./actors.ts";
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
export async function signedInUser(client: PoolClient, user: string): Promise<Session> {
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
