import type { PoolClient } from "pg";
import { asRole, inSavepoint } from "./actors.ts";
import { only } from "./verbs.ts";

/** Changes the state of a grant, as an administrator does. */
export function admin(
  client: PoolClient,
  verb: "suspend_grant" | "resume_grant" | "revoke_grant",
  id: string,
): Promise<unknown> {
  return asRole(client, "federation_admin", () => client.query(`select federation.${verb}($1)`, [id]));
}

/** A grant as administrators see it. */
export async function shown(client: PoolClient, id: string): Promise<Record<string, unknown>> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<Record<string, unknown>>(
      "select * from federation.list_grants() where id = $1",
      [id],
    );
    return only(rows);
  });
}

/** Writes to a grant's row directly, as only a superuser can. */
export function set(client: PoolClient, id: string, assignments: string): Promise<unknown> {
  return inSavepoint(
    client,
    () => client.query(`update federation.federation_grants set ${assignments} where id = $1`, [id]),
    "keep",
  );
}
