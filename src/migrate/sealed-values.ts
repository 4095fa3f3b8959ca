import type { Client } from "pg";
import { FederationError } from "../errors.ts";
import type { Keyring } from "../seal/keyring.ts";
import { unseal } from "../seal/seal.ts";

/**
 * Opens every sealed value of a database with the gateway's keys.
 *
 * @returns how many there are
 * @throws FederationError SEAL_BROKEN naming the value that does not open
 */
export async function openSealedValues(client: Client, keyring: Keyring): Promise<number> {
  // The function reads as its owner, whom the policies of its tables let through.
  await client.query("set local row_security = on");
  await client.query("set local role federation_admin");
  const { rows } = await client.query<{ kind: string; id: string; sealed: Buffer }>(
    "select kind, id, sealed from federation.sealed_values()",
  );
  await client.query("set local role none");
  await client.query("set local row_security = off");
  for (const { kind, id, sealed } of rows) {
    try {
      unseal(keyring, sealed, id);
    } catch (cause) {
      throw new FederationError(
        "SEAL_BROKEN",
        `the sealed value of ${kind} ${id} does not open with the keys at hand`,
        {
          cause,
        },
      );
    }
  }
  return rows.length;
}
