import { randomUUID } from "node:crypto";
import type { ClientBase } from "pg";
import type { Keyring } from "../seal/keyring.ts";
import { seal } from "../seal/seal.ts";
import type { Enrolled } from "./enroll.ts";

/**
 * Stores a remote gateway for a local user, its private key sealed. An earlier one of the same user and host is replaced.
 *
 * @param client in a transaction of an administrator
 * @throws the database's error, SQLSTATE MF021 where there is no such user
 */
export async function storePeer(
  client: ClientBase,
  keyring: Keyring,
  ownerUserId: string,
  enrolled: Enrolled,
): Promise<void> {
  const id = randomUUID();
  await client.query("select federation.add_peer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", [
    id,
    ownerUserId,
    enrolled.host,
    enrolled.federationUrl,
    enrolled.publicUrl,
    enrolled.grantId,
    enrolled.rootDer,
    enrolled.chainDer,
    enrolled.serial,
    enrolled.notAfter,
    seal(keyring, enrolled.privateKeyDer, id),
  ]);
}
