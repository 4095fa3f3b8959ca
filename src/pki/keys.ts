import { createECDH, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";

/** A P-256 key pair. */
export interface KeyPair {
  /** PKCS#8. */
  privateKeyPem: string;
  /** PKCS#8. */
  privateKeyDer: Buffer;
  /** SubjectPublicKeyInfo. */
  publicKeyDer: Buffer;
}

/** A new P-256 key pair. */
export function generateKeyPair(): KeyPair {
  return pairOf(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey);
}

/** The order of P-256 (SP 800-186 §3.2.1.3). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * The P-256 key pair of a secret seed, always the same (FIPS 186-5 §A.2.1, extra random bits).
 *
 * @param seed 48 bytes that nobody can tell from random ones
 */
export function keyPairOf(seed: Buffer): KeyPair {
  const secret = (BigInt(`0x${seed.toString("hex")}`) % (ORDER - 1n)) + 1n;
  const d = Buffer.from(secret.toString(16).padStart(64, "0"), "hex");
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(d);
  // 4, x and y.
  const point = curve.getPublicKey();
  const key = {
    kty: "EC",
    crv: "P-256",
    d: d.toString("base64url"),
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33).toString("base64url"),
  };
  return pairOf(createPrivateKey({ key, format: "jwk" }));
}

function pairOf(privateKey: KeyObject): KeyPair {
  return {
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKeyDer: privateKey.export({ type: "pkcs8", format: "der" }),
    publicKeyDer: createPublicKey(privateKey).export({ type: "spki", format: "der" }),
  };
}

/** The public half of a private key, as SubjectPublicKeyInfo. */
export function publicKeyOf(privateKeyPem: string): Buffer {
  return createPublicKey(createPrivateKey(privateKeyPem)).export({ type: "spki", format: "der" });
}

/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
export const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** Signs a to-be-signed structure and wraps both, as certificates, CRLs and requests all are (RFC 5280 §4.1.1). */
export function signed(toBeSigned: Asn1, privateKeyDer: Buffer): Buffer {
  const signature = signatureOf(writeDer(toBeSigned), privateKeyDer);
  return writeDer(write.sequence(toBeSigned, write.sequence(write.oid(ECDSA_WITH_SHA256)), write.bits(signature)));
}

/** Signs by ECDSA with SHA-256: the signature as DER has it (RFC 3279 §2.2.3). */
export function signatureOf(toBeSigned: Buffer, privateKeyDer: Buffer): Buffer {
  return sign("sha256", toBeSigned, createPrivateKey({ key: privateKeyDer, format: "der", type: "pkcs8" }));
}

/** The key identifier of a SubjectPublicKeyInfo: the first 160 bits of its SHA-256 (RFC 7093 §2, method 1). */
export function keyIdentifier(publicKeyDer: Buffer): Buffer {
  // The bit string of an uncompressed P-256 point is the last 65 bytes of its SubjectPublicKeyInfo.
  return createHash("sha256").update(publicKeyDer.subarray(-65)).digest().subarray(0, 20);
}
