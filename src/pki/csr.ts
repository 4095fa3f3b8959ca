import { createPublicKey, verify } from "node:crypto";
import { FederationError } from "../errors.ts";
import { bytesOf, children, derToPem, oidOf, pemToDer, readDer, TAG, write, writeDer } from "./der.ts";
import { nameOf } from "./certificate.ts";
import { ECDSA_WITH_SHA256, publicKeyOf, signed } from "./keys.ts";

const CODE = "CSR_INVALID";
const LABEL = "CERTIFICATE REQUEST";

/** A certification request for a key (RFC 2986), PEM. */
export function createCsr(options: { privateKeyPem: string; commonName: string }): string {
  const { privateKeyPem, commonName } = options;
  const info = write.sequence(
    write.integer(Buffer.of(0)),
    nameOf(commonName),
    readDer(publicKeyOf(privateKeyPem), CODE),
    write.context(0),
  );
  return derToPem(signed(info, pemToDer(privateKeyPem, "PRIVATE KEY", CODE)), LABEL);
}

/**
 * Reads a certification request and proves that its sender has the private key. Names and attributes in it are ignored: what a
 * certificate says comes from the grant.
 *
 * @returns SubjectPublicKeyInfo of a P-256 key
 * @throws FederationError CSR_INVALID
 */
export function readCsr(pem: string): { publicKeyDer: Buffer } {
  const [info, algorithm, signature] = children(readDer(pemToDer(pem, LABEL, CODE), CODE), TAG.SEQUENCE, CODE);
  if (info === undefined || oidOf(children(algorithm, TAG.SEQUENCE, CODE)[0], CODE) !== ECDSA_WITH_SHA256) {
    throw refused();
  }
  const subjectPublicKeyInfo = children(info, TAG.SEQUENCE, CODE)[2];
  const bits = bytesOf(signature, TAG.BITSTRING, CODE);
  if (subjectPublicKeyInfo === undefined || bits[0] !== 0) {
    throw refused();
  }
  const publicKeyDer = writeDer(subjectPublicKeyInfo);
  let proven: boolean;
  try {
    const key = createPublicKey({ key: publicKeyDer, format: "der", type: "spki" });
    proven =
      key.asymmetricKeyDetails?.namedCurve === "prime256v1" && verify("sha256", writeDer(info), key, bits.subarray(1));
    // The same key may be written in several ways; what is signed over is one.
    if (!proven || !key.export({ type: "spki", format: "der" }).equals(publicKeyDer)) {
      throw refused();
    }
  } catch (cause) {
    throw refused(cause);
  }
  return { publicKeyDer };
}

function refused(cause?: unknown): FederationError {
  return new FederationError(CODE, "The certificate request must hold a P-256 key and be signed with it.", { cause });
}
