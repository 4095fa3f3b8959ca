import { randomUUID } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import type { ClientBase } from "pg";
import { derToPem, readX509 } from "../pki/der.ts";
import { isValidNow, isVouchedFor } from "../pki/verify.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal } from "../seal/seal.ts";
import type { Enrolled } from "./enroll.ts";

/**
 * Stores a remote gateway for a local user, its private key sealed. An earlier one of the same user and host is replaced, where the new
 * one is of a root that was trusted for it, or of one that such a root leads to.
 *
 * @param client in a transaction of an administrator
 * @throws the database's error, SQLSTATE MF021 where there is no such user, MF031 where the user has a peer of that host and another root
 */
export async function storePeer(
  client: ClientBase,
  keyring: Keyring,
  ownerUserId: string,
  enrolled: Enrolled,
): Promise<void> {
  const id = randomUUID();
  await trustSuccessor(client, ownerUserId, enrolled);
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

/**
 * The peer's root may have been rotated since the user enrolled first: then the chain has the new root's key under a certificate of the older
 * one. That some certificate of the chain is of the older root says nothing of the new one: anybody whom it certifies could put one there.
 */
async function trustSuccessor(client: ClientBase, ownerUserId: string, enrolled: Enrolled): Promise<void> {
  const at = enrolled.chainDer.findIndex((der) => isOfSameKey(der, enrolled.rootDer));
  const [certificateDer, ...chainDer] = enrolled.chainDer.slice(at);
  if (at < 0 || certificateDer === undefined) {
    return;
  }
  const chainPem = chainDer.map((der) => derToPem(der, "CERTIFICATE"));
  const { rows } = await client.query<{ der: Buffer }>("select der from federation.peer_roots($1, $2) as r (der)", [
    ownerUserId,
    enrolled.host,
  ]);
  if (rows.some(({ der }) => isVouchedFor({ certificateDer, chainPem, rootPem: derToPem(der, "CERTIFICATE") }))) {
    await client.query("select federation.trust_peer_root($1, $2, $3)", [ownerUserId, enrolled.host, enrolled.rootDer]);
  }
}

/** Of an authority that is one now: a client's certificate for the new root's key says nothing of the root. */
function isOfSameKey(der: Buffer, rootDer: Buffer): boolean {
  const [one, root] = [readX509(der, "CERTIFICATE_INVALID"), readX509(rootDer, "CERTIFICATE_INVALID")];
  const spkiOf = ({ publicKey }: X509Certificate): Buffer => publicKey.export({ type: "spki", format: "der" });
  return one.ca && isValidNow(one) && one.subject === root.subject && spkiOf(one).equals(spkiOf(root));
}
