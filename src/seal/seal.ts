import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { FederationError } from "../errors.ts";
import type { Keyring } from "./keyring.ts";

const FORMAT = 1;
const HEADER_BYTES = 5;
// NIST SP 800-38D §5.2.1: 96-bit IVs are the ones used as they are; a random one per seal is safe up to 2^32 seals a key (§8.3).
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals a secret for the row it is stored in: encrypted and authenticated (AES-256-GCM), readable neither without the key nor in
 * any other row.
 *
 * @param rowId id of the row
 * @returns format version (1 byte), key version (4 bytes, big-endian), IV (12), tag (16), ciphertext
 */
export function seal(keyring: Keyring, plaintext: Buffer, rowId: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FORMAT, 0);
  header.writeUInt32BE(keyring.current, 1);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", keyOf(keyring, keyring.current), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(header, rowId));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, iv, cipher.getAuthTag(), ciphertext]);
}

/**
 * Opens a sealed secret.
 *
 * @throws FederationError SEAL_BROKEN where it was altered, belongs to another row, or its key is missing
 */
export function unseal(keyring: Keyring, sealed: Buffer, rowId: string): Buffer {
  const key = keyOf(keyring, sealVersion(sealed));
  const iv = sealed.subarray(HEADER_BYTES, HEADER_BYTES + IV_BYTES);
  const tag = sealed.subarray(HEADER_BYTES + IV_BYTES, HEADER_BYTES + IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(sealed.subarray(0, HEADER_BYTES), rowId));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES + IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new FederationError("SEAL_BROKEN", "a sealed secret was altered, or is not of the row that it was found in", {
      cause,
    });
  }
}

/**
 * The version of the key that a secret was sealed with.
 *
 * @throws FederationError SEAL_BROKEN where it is no sealed secret
 */
export function sealVersion(sealed: Buffer): number {
  if (sealed.length < HEADER_BYTES + IV_BYTES + TAG_BYTES || sealed[0] !== FORMAT) {
    throw new FederationError("SEAL_BROKEN", "a sealed secret is not of a format that is known");
  }
  return sealed.readUInt32BE(1);
}

function keyOf(keyring: Keyring, version: number): Buffer {
  const key = keyring.keys.get(version);
  if (key === undefined) {
    throw new FederationError(
      "SEAL_BROKEN",
      `the sealing key of version ${version} is missing; restore the file of sealing keys that holds it`,
    );
  }
  return key;
}

function associatedData(header: Buffer, rowId: string): Buffer {
  return Buffer.concat([header, Buffer.from(rowId, "utf8")]);
}
