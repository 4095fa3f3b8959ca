import { hkdfSync } from "node:crypto";
import { asAdministrator } from "../database/administrator.ts";
import { FederationError } from "../errors.ts";
import { readX509 } from "../pki/der.ts";
import { keyPairOf } from "../pki/keys.ts";
import type { KeyPair } from "../pki/keys.ts";
import type { Keyring } from "../seal/keyring.ts";
import { enroll } from "./enroll.ts";
import type { Enrolled } from "./enroll.ts";
import type { EnrollmentUrl } from "./enrollment-url.ts";
import { storePeer } from "./store-peer.ts";

/**
 * Enrolls a local user with a remote gateway, and stores it. Whatever ends half-way, said again with the same URL it goes on: its key is
 * the same again.
 *
 * @param timeoutMs what a request may take
 * @throws FederationError as `enroll`; TOKEN_SPENT where it was brought to its end before; the database's error, SQLSTATE MF021 where
 * there is no such user
 */
export async function addPeer(options: {
  adminUrl: string;
  keyring: Keyring;
  userId: string;
  url: EnrollmentUrl;
  timeoutMs: number;
}): Promise<Enrolled> {
  const { adminUrl, keyring, userId, url } = options;
  const keyPair = enrollmentKey(keyring, userId, url.token);
  await asAdministrator(adminUrl, async (client) => {
    // Asked before the token is spent on a user who is not there.
    await client.query("select federation.require_user($1)", [userId]);
    const { rows } = await client.query<{ certificate_chain_der: Buffer[] }>(
      "select certificate_chain_der from federation.renewable_peers() where owner_user_id = $1",
      [userId],
    );
    if (rows.some(({ certificate_chain_der: [der] }) => der !== undefined && isOf(der, keyPair))) {
      throw new FederationError("TOKEN_SPENT", `the enrollment URL has been used by ${userId}, whose peer it made`);
    }
  });
  const enrolled = await enroll(url, options.timeoutMs, keyPair);
  await asAdministrator(adminUrl, (client) => storePeer(client, keyring, userId, enrolled));
  return enrolled;
}

/** The key by which a user enrolls with a token: nobody without the sealing key can make it, and it is nowhere before it is stored. */
function enrollmentKey(keyring: Keyring, userId: string, token: string): KeyPair {
  const key = keyring.keys.get(keyring.current);
  if (key === undefined) {
    throw new FederationError("CONFIG_INVALID", "the keyring has no current key");
  }
  const info = JSON.stringify(["mosaic enrollment", token, userId]);
  return keyPairOf(Buffer.from(hkdfSync("sha256", key, "", info, 48)));
}

function isOf(certificateDer: Buffer, { publicKeyDer }: KeyPair): boolean {
  const { publicKey } = readX509(certificateDer, "CERTIFICATE_INVALID");
  return publicKey.export({ type: "spki", format: "der" }).equals(publicKeyDer);
}
