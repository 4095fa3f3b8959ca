import { randomBytes } from "node:crypto";
import { escapeIdentifier, escapeLiteral } from "pg";
import type { ClientBase } from "pg";
import { asAdministrator } from "../database/administrator.ts";

/**
 * Makes the login by which a gateway serves requests: a member of `federation_gateway` and nothing more, so that its password opens
 * no table.
 *
 * @param adminUrl a role that may create roles
 * @returns its connection string
 */
export function createLoginRole(adminUrl: string): Promise<string> {
  return asAdministrator(adminUrl, (client) => createLoginRoleIn(client, adminUrl), "own");
}

/**
 * Makes the same login in a transaction that the caller has begun.
 *
 * @param adminUrl where the connection goes
 * @returns the login's connection string
 */
export async function createLoginRoleIn(client: ClientBase, adminUrl: string): Promise<string> {
  const name = `mosaic_${randomBytes(4).toString("hex")}`;
  const password = randomBytes(24).toString("base64url");
  await client.query(
    `create role ${escapeIdentifier(name)} login inherit password ${escapeLiteral(password)} in role federation_gateway`,
  );
  const { rows } = await client.query<{ name: string }>("select current_database() as name");
  await client.query(`grant connect on database ${escapeIdentifier(rows[0]?.name ?? "")} to ${escapeIdentifier(name)}`);
  const url = new URL(adminUrl);
  url.username = name;
  url.password = password;
  return url.href;
}
