import { createPublicKey, verify } from "node:crypto";
import { FederationError } from "../errors.ts";
import { bytesOf, children, derToPem, isContext, oidOf, pemToDer, readDer, TAG, write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";
import { nameOf } from "./certificate.ts";
import { ECDSA_WITH_SHA256, publicKeyOf, signed } from "./keys.ts";

const CODE = "CSR_INVALID";
const LABEL = "CERTIFICATE REQUEST";
const COMMON_NAME = "2.5.4.3";

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

/** What a certification request says, none of it believed but the key. */
export interface CertificationRequest {
  /** SubjectPublicKeyInfo of a P-256 key. */
  publicKeyDer: Buffer;
  /** Empty where it has no name; undefined where the name is anything but one common name. */
  commonName: string | undefined;
  /** Whether it asks for extensions, or for anything else beside a name and a key. */
  hasAttributes: boolean;
}

/**
 * Reads a certification request and proves that its sender has the private key. Names and attributes in it are ignored: what a
 * certificate says comes from the grant.
 *
 * @throws FederationError CSR_INVALID
 */
export function readCsr(pem: string): CertificationRequest {
  const [info, algorithm, signature] = children(readDer(pemToDer(pem, LABEL, CODE), CODE), TAG.SEQUENCE, CODE);
  if (info === undefined || oidOf(children(algorithm, TAG.SEQUENCE, CODE)[0], CODE) !== ECDSA_WITH_SHA256) {
    throw refused();
  }
  const [, subject, subjectPublicKeyInfo, attributes] = children(info, TAG.SEQUENCE, CODE);
  const bits = bytesOf(signature, TAG.BITSTRING, CODE);
  if (subject === undefined || subjectPublicKeyInfo === undefined || bits[0] !== 0) {
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
  return {
    publicKeyDer,
    commonName: commonNameOf(subject),
    hasAttributes: attributes !== undefined && children(attributes, 0, CODE, attributes.tagClass).length > 0,
  };
}

function commonNameOf(subject: Asn1): string | undefined {
  const attributes = children(subject, TAG.SEQUENCE, CODE).map((set) => children(set, TAG.SET, CODE));
  const [type, value] = children(attributes[0]?.[0] ?? write.sequence(), TAG.SEQUENCE, CODE);
  if (attributes.length === 0) {
    return "";
  }
  if (attributes.length > 1 || attributes[0]?.length !== 1 || oidOf(type, CODE) !== COMMON_NAME) {
    return undefined;
  }
  const isText =
    value !== undefined &&
    !isContext(value, value.type) &&
    (value.type === TAG.UTF8 || value.type === TAG.PRINTABLESTRING);
  return isText ? bytesOf(value, value.type, CODE).toString("utf8") : undefined;
}

function refused(cause?: unknown): FederationError {
  return new FederationError(CODE, "The certificate request must hold a P-256 key and be signed with it.", { cause });
}
