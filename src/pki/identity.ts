import type { X509Certificate } from "node:crypto";
import { FederationError } from "../errors.ts";
import { bytesOf, children, fingerprintOf, isContext, oidOf, readDer, readX509, TAG, write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";

/** Who a client certificate speaks for. */
export interface CertificateIdentity {
  grantId: string;
  subjectUserId: string;
  /** The host of the gateway that issued it. */
  host: string;
}

/** An identity as read from a certificate. */
export interface PeerIdentity extends CertificateIdentity {
  /** Hex, lower case. */
  serial: string;
  /** SHA-256 of the certificate's DER, hex, lower case. */
  fingerprint: string;
  commonName: string;
  /** SubjectPublicKeyInfo. */
  publicKeyDer: Buffer;
}

const CODE = "IDENTITY_MALFORMED";
const OID = {
  commonName: "2.5.4.3",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;
const GRANT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const GRANT_URI = /^mosaic:\/\/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)\/grants\/([0-9a-f-]{36})$/;

// GeneralName (RFC 5280 §4.2.1.6): [0] otherName, [6] uniformResourceIdentifier.
const OTHER_NAME = 0;
const URI = 6;

/** The SubjectAltName value that says who a certificate speaks for: `<arc>.1` grant, `<arc>.2` subject, and a URI for people. */
export function subjectAltNameOf(identity: CertificateIdentity, oidArc: string): Buffer {
  const otherName = (oid: string, text: string): Asn1 =>
    write.context(OTHER_NAME, write.oid(oid), write.context(0, write.utf8(text)));
  return writeDer(
    write.sequence(
      otherName(`${oidArc}.1`, identity.grantId),
      otherName(`${oidArc}.2`, identity.subjectUserId),
      write.contextBytes(URI, Buffer.from(`mosaic://${identity.host}/grants/${identity.grantId}`, "latin1")),
    ),
  );
}

/**
 * Reads who a client certificate speaks for. Each entry is there exactly once, they agree with each other, and the certificate is
 * for clients only. That its chain is trusted is for TLS to say; that it is the one that was issued for the grant, for the database.
 *
 * @throws FederationError IDENTITY_MALFORMED
 */
export function readPeerIdentity(certificateDer: Buffer, oidArc: string): PeerIdentity {
  const certificate = readX509(certificateDer, CODE);
  const [toBeSigned] = children(readDer(certificateDer, CODE), TAG.SEQUENCE, CODE);
  const fields = children(toBeSigned, TAG.SEQUENCE, CODE);
  // version [0] DEFAULT v1, serial, signature, issuer, validity, subject (RFC 5280 §4.1): extensions need version 3.
  const subject = fields[5];
  const extensions = readExtensions(fields);

  const { grantId, subjectUserId, host } = readAltName(extensions.get(OID.subjectAltName), oidArc);
  const commonName = readCommonName(subject);
  if (commonName !== grantId) {
    throw malformed();
  }
  const usages = children(valueOf(extensions.get(OID.extendedKeyUsage)), TAG.SEQUENCE, CODE).map((usage) =>
    oidOf(usage, CODE),
  );
  if (usages.length !== 1 || usages[0] !== OID.clientAuth || certificate.ca) {
    throw malformed();
  }
  requireDigitalSignature(extensions.get(OID.keyUsage));
  const serial = certificate.serialNumber.toLowerCase();
  // Positive and at most 20 bytes (RFC 5280 §4.1.2.2); Node writes 0 as one digit and a negative number with a sign.
  if (!/^(?:[0-9a-f]{2}){1,20}$/.test(serial)) {
    throw malformed();
  }
  const publicKeyDer = readPublicKey(certificate);
  return { grantId, subjectUserId, host, serial, fingerprint: fingerprintOf(certificateDer), commonName, publicKeyDer };
}

function readPublicKey(certificate: X509Certificate): Buffer {
  try {
    return certificate.publicKey.export({ type: "spki", format: "der" });
  } catch (cause) {
    // The key is read only now.
    throw malformed(cause);
  }
}

function readExtensions(fields: Asn1[]): Map<string, Buffer> {
  const wrapped = fields.filter((field) => isContext(field, 3));
  const list = wrapped.length === 1 ? children(wrapped[0], 3, CODE, wrapped[0]?.tagClass)[0] : undefined;
  const extensions = new Map<string, Buffer>();
  for (const extension of children(list, TAG.SEQUENCE, CODE)) {
    const parts = children(extension, TAG.SEQUENCE, CODE);
    const oid = oidOf(parts[0], CODE);
    if (extensions.has(oid) || parts.length < 2 || parts.length > 3) {
      throw malformed();
    }
    extensions.set(oid, bytesOf(parts.at(-1), TAG.OCTETSTRING, CODE));
  }
  return extensions;
}

function readAltName(extension: Buffer | undefined, oidArc: string): CertificateIdentity {
  const others = new Map<string, string>();
  const uris: string[] = [];
  for (const name of children(valueOf(extension), TAG.SEQUENCE, CODE)) {
    if (isContext(name, OTHER_NAME)) {
      const [type, wrapped, ...afterType] = children(name, OTHER_NAME, CODE, name.tagClass);
      const oid = oidOf(type, CODE);
      if (others.has(oid)) {
        throw malformed();
      }
      const [value, ...afterValue] = children(wrapped, 0, CODE, wrapped?.tagClass);
      if (wrapped === undefined || !isContext(wrapped, 0) || afterType.length + afterValue.length > 0) {
        throw malformed();
      }
      others.set(oid, utf8(bytesOf(value, TAG.UTF8, CODE)));
    } else if (isContext(name, URI)) {
      uris.push(bytesOf(name, URI, CODE, name.tagClass).toString("latin1"));
    } else {
      throw malformed();
    }
  }
  const grantId = others.get(`${oidArc}.1`);
  const subjectUserId = others.get(`${oidArc}.2`);
  const [, host, uriGrantId] = GRANT_URI.exec(uris.length === 1 ? (uris[0] ?? "") : "") ?? [];
  if (
    others.size !== 2 ||
    grantId === undefined ||
    !GRANT_ID.test(grantId) ||
    subjectUserId === undefined ||
    !isUserId(subjectUserId) ||
    host === undefined ||
    uriGrantId !== grantId
  ) {
    throw malformed();
  }
  return { grantId, subjectUserId, host };
}

/** What the database can hold as a user id: 1 to 256 characters, no NUL (PostgreSQL documentation §8.3). */
function isUserId(text: string): boolean {
  return text.length > 0 && Array.from(text).length <= 256 && !text.includes("\0");
}

function readCommonName(subject: Asn1 | undefined): string {
  const names = children(subject, TAG.SEQUENCE, CODE)
    .flatMap((set) => children(set, TAG.SET, CODE))
    .map((attribute) => children(attribute, TAG.SEQUENCE, CODE))
    .filter(([type]) => oidOf(type, CODE) === OID.commonName);
  if (names.length !== 1) {
    throw malformed();
  }
  const value = names[0]?.[1];
  return utf8(bytesOf(value, value?.type === TAG.PRINTABLESTRING ? TAG.PRINTABLESTRING : TAG.UTF8, CODE));
}

function requireDigitalSignature(extension: Buffer | undefined): void {
  if (extension === undefined) {
    return;
  }
  // Bit 0 of KeyUsage (RFC 5280 §4.2.1.3); the first byte counts unused bits.
  const bits = bytesOf(valueOf(extension), TAG.BITSTRING, CODE);
  if (((bits[1] ?? 0) & 0x80) === 0) {
    throw malformed();
  }
}

function valueOf(extension: Buffer | undefined): Asn1 {
  if (extension === undefined) {
    throw malformed();
  }
  return readDer(extension, CODE);
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause?: unknown): FederationError {
  return new FederationError(CODE, "The certificate does not say who it speaks for.", { cause });
}
