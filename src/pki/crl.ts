import { verify } from "node:crypto";
import forge from "node-forge";
import { FederationError } from "../errors.ts";
import type { RevokedCertificate } from "./authority.ts";
import { subjectNameOf } from "./certificate.ts";
import type { Issuer } from "./certificate.ts";
import { bytesOf, children, isContext, oidOf, readDer, readX509, TAG, write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";
import { ECDSA_WITH_SHA256, keyIdentifier, signed } from "./keys.ts";

/** CRLReason (RFC 5280 §5.3.1) by name; what is not here is `unspecified`. */
export const REASONS: Record<string, number> = {
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
};

const OID = {
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  issuingDistributionPoint: "2.5.29.28",
  authorityKeyIdentifier: "2.5.29.35",
} as const;
const CODE = "CERTIFICATE_INVALID";
// About 200 000 entries.
const MAX_BYTES = 8 * 1024 * 1024;

/** A CRL of version 2, DER. */
export function buildCrl(
  request: { revoked: readonly RevokedCertificate[]; number: number; lifetimeSeconds: number },
  issuer: Issuer,
): Buffer {
  const now = new Date();
  const entries = request.revoked.map(({ serial, revokedAt, reason }) => {
    const code = REASONS[reason];
    return write.sequence(
      write.integer(Buffer.from(serial, "hex")),
      write.time(revokedAt),
      // "unspecified" is said by leaving the reason out.
      ...(code === undefined ? [] : [write.sequence(extension(OID.reasonCode, write.enumerated(code)))]),
    );
  });
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(request.number));
  const toBeSigned = write.sequence(
    write.integer(Buffer.of(1)),
    write.sequence(write.oid(ECDSA_WITH_SHA256)),
    readDer(issuer.nameDer, CODE),
    write.time(now),
    write.time(new Date(now.getTime() + request.lifetimeSeconds * 1000)),
    // An empty list is left out (RFC 5280 §5.1.2.6).
    ...(entries.length === 0 ? [] : [write.sequence(...entries)]),
    write.context(
      0,
      write.sequence(
        extension(
          OID.authorityKeyIdentifier,
          write.sequence(write.contextBytes(0, keyIdentifier(issuer.publicKeyDer))),
        ),
        extension(OID.crlNumber, write.integer(number)),
      ),
    ),
  );
  return signed(toBeSigned, issuer.privateKeyDer);
}

/** What a CRL says. */
export interface Crl {
  /** Hex, lower case. */
  revokedSerials: Set<string>;
  thisUpdate: Date;
  nextUpdate: Date;
  /** The only place that certificates may name for this list (RFC 5280 §5.2.5), where it says one. */
  distributionPoint?: string;
}

/**
 * Reads a CRL and checks that the issuer signed it.
 *
 * @throws FederationError CERTIFICATE_INVALID
 */
export function readCrl(der: Buffer, issuerCertificateDer: Buffer): Crl {
  const [toBeSigned, algorithm, signature] = children(readDer(der, CODE, MAX_BYTES), TAG.SEQUENCE, CODE);
  const bits = bytesOf(signature, TAG.BITSTRING, CODE);
  const issuer = readX509(issuerCertificateDer, CODE);
  if (
    toBeSigned === undefined ||
    oidOf(children(algorithm, TAG.SEQUENCE, CODE)[0], CODE) !== ECDSA_WITH_SHA256 ||
    bits[0] !== 0 ||
    !verify("sha256", writeDer(toBeSigned), issuer.publicKey, bits.subarray(1))
  ) {
    throw refused();
  }
  const [, , issuerName, thisUpdate, nextUpdate, ...rest] = children(toBeSigned, TAG.SEQUENCE, CODE);
  const [entries] = rest;
  if (issuerName === undefined || !writeDer(issuerName).equals(subjectNameOf(issuerCertificateDer))) {
    throw refused();
  }
  const revoked = entries === undefined || isContext(entries, 0) ? [] : children(entries, TAG.SEQUENCE, CODE);
  const distributionPoint = distributionPointOf(rest.find((field) => isContext(field, 0)));
  return {
    ...(distributionPoint === undefined ? {} : { distributionPoint }),
    revokedSerials: new Set(
      revoked.map((entry) => {
        const serial = bytesOf(children(entry, TAG.SEQUENCE, CODE)[0], TAG.INTEGER, CODE);
        return (serial[0] === 0 ? serial.subarray(1) : serial).toString("hex");
      }),
    ),
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
  };
}

/** The URI in IssuingDistributionPoint: [0] distributionPoint, [0] fullName, [6] URI. */
function distributionPointOf(extensions: Asn1 | undefined): string | undefined {
  if (extensions === undefined) {
    return undefined;
  }
  for (const one of children(children(extensions, 0, CODE, extensions.tagClass)[0], TAG.SEQUENCE, CODE)) {
    const parts = children(one, TAG.SEQUENCE, CODE);
    if (oidOf(parts[0], CODE) === OID.issuingDistributionPoint) {
      const [point] = children(readDer(bytesOf(parts.at(-1), TAG.OCTETSTRING, CODE), CODE), TAG.SEQUENCE, CODE);
      if (point === undefined || !isContext(point, 0)) {
        return undefined;
      }
      const [fullName] = children(point, 0, CODE, point.tagClass);
      const [name] =
        fullName === undefined || !isContext(fullName, 0) ? [] : children(fullName, 0, CODE, fullName.tagClass);
      return name !== undefined && isContext(name, 6)
        ? bytesOf(name, 6, CODE, name.tagClass).toString("latin1")
        : undefined;
    }
  }
  return undefined;
}

function extension(oid: string, value: Asn1): Asn1 {
  return write.sequence(write.oid(oid), write.octets(writeDer(value)));
}

function timeOf(value: Asn1 | undefined): Date {
  const tag = value?.type === TAG.GENERALIZEDTIME ? TAG.GENERALIZEDTIME : TAG.UTCTIME;
  const text = bytesOf(value, tag, CODE).toString("latin1");
  return tag === TAG.UTCTIME ? forge.asn1.utcTimeToDate(text) : forge.asn1.generalizedTimeToDate(text);
}

function refused(): FederationError {
  return new FederationError(CODE, "The revocation list was not signed by this authority.");
}
