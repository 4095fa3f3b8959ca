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
  /** Why, by serial, where an entry says it: names of RFC 5280 §5.3.1. */
  reasons: Map<string, string>;
  /** 0 where it has none. */
  number: number;
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
  const extensions = rest.find((field) => isContext(field, 0));
  const distributionPoint = distributionPointOf(extensions);
  const number = extensionOf(extensions, OID.crlNumber);
  const listed = revoked.map((entry) => entryOf(children(entry, TAG.SEQUENCE, CODE)));
  return {
    number: number === undefined ? 0 : numberOf(number),
    ...(distributionPoint === undefined ? {} : { distributionPoint }),
    revokedSerials: new Set(listed.map(({ serial }) => serial)),
    reasons: new Map(listed.flatMap(({ serial, reason }) => (reason === undefined ? [] : [[serial, reason] as const]))),
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
  };
}

/** An entry: the serial, when it was revoked and, where it says so, why. */
function entryOf([serialNumber, , extensions]: Asn1[]): { serial: string; reason: string | undefined } {
  const serial = bytesOf(serialNumber, TAG.INTEGER, CODE);
  const code = extensions === undefined ? undefined : valueIn(extensions, OID.reasonCode);
  const number = code === undefined ? undefined : bytesOf(code, TAG.ENUMERATED, CODE)[0];
  return {
    serial: (serial[0] === 0 ? serial.subarray(1) : serial).toString("hex"),
    reason: Object.keys(REASONS).find((name) => REASONS[name] === number),
  };
}

/** The URI in IssuingDistributionPoint: [0] distributionPoint, [0] fullName, [6] URI. */
function distributionPointOf(extensions: Asn1 | undefined): string | undefined {
  const value = extensionOf(extensions, OID.issuingDistributionPoint);
  if (value === undefined) {
    return undefined;
  }
  const [point] = children(value, TAG.SEQUENCE, CODE);
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

/** The value of an extension, where the list has it. */
function extensionOf(extensions: Asn1 | undefined, oid: string): Asn1 | undefined {
  const [list] = extensions === undefined ? [] : children(extensions, 0, CODE, extensions.tagClass);
  return list === undefined ? undefined : valueIn(list, oid);
}

function valueIn(list: Asn1, oid: string): Asn1 | undefined {
  const found = children(list, TAG.SEQUENCE, CODE)
    .map((one) => children(one, TAG.SEQUENCE, CODE))
    .find(([id]) => oidOf(id, CODE) === oid);
  return found === undefined ? undefined : readDer(bytesOf(found.at(-1), TAG.OCTETSTRING, CODE), CODE);
}

/** A number of up to 20 bytes (RFC 5280 §5.2.3); one that is too large to count exactly is as large as one can be. */
function numberOf(value: Asn1): number {
  const number = Number(BigInt(`0x${bytesOf(value, TAG.INTEGER, CODE).toString("hex") || "0"}`));
  return Math.min(number, Number.MAX_SAFE_INTEGER);
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
