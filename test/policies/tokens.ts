import type { PoolClient } from "pg";
import { asRole } from "./actors.ts";
import { only } from "./verbs.ts";

/** Spends a token as the gateway does. */
export function redeem(client: PoolClient, token: string | null): Promise<unknown> {
  return asRole(client, "federation_gateway", () =>
    client.query("select * from federation.redeem_enrollment_token($1)", [token]),
  );
}

/** A new token of a grant, as an administrator makes it. */
export async function enrollAgain(client: PoolClient, id: string): Promise<string> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ enrollment_token: string }>(
      "select enrollment_token from federation.create_enrollment_token($1)",
      [id],
    );
    return only(rows).enrollment_token;
  });
}
