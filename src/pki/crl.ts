import { verify } from "node:crypto";
import forge from "node-forge";
import { FederationError } from "../errors.ts";
import type { RevokedCertificate } from "./authority.ts";
import { subjectNameOf } from "./certificate.ts";
import type { Issuer } from "./certificate.ts";
import { encode, encodeAll, IDENTIFIER, positiveInteger, valuesIn } from "./der-bytes.ts";
import type { DerValue } from "./der-bytes.ts";
import { bytesOf, children, isContext, oidOf, readDer, readX509, TAG, write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";
import { ECDSA_WITH_SHA256, keyIdentifier, signatureOf } from "./keys.ts";

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
const ALGORITHM = writeDer(write.sequence(write.oid(ECDSA_WITH_SHA256)));
const REASON_CODE = writeDer(write.oid(OID.reasonCode));
/** The extensions of an entry, by the name of its reason. */
const ENTRY_EXTENSIONS = new Map(
  Object.entries(REASONS).map(([name, code]) => [
    name,
    writeDer(write.sequence(extension(OID.reasonCode, write.enumerated(code)))),
  ]),
);

/** The longest list that is made or read, bytes: of about 230 000 certificates. */
export const MAX_CRL_BYTES = 12 * 1024 * 1024;

/**
 * A CRL of version 2, DER.
 *
 * @throws FederationError UNAVAILABLE where it would be longer than what anybody here reads
 */
export function buildCrl(
  request: { revoked: readonly RevokedCertificate[]; number: number; thisUpdate: Date; nextUpdate: Date },
  issuer: Issuer,
): Buffer {
  const times = new Map<number, Buffer>();
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(request.number));
  const toBeSigned = encode(
    IDENTIFIER.sequence,
    writeDer(write.integer(Buffer.of(1))),
    ALGORITHM,
    issuer.nameDer,
    writeDer(write.time(request.thisUpdate)),
    writeDer(write.time(request.nextUpdate)),
    // An empty list is left out (RFC 5280 §5.1.2.6).
    ...(request.revoked.length === 0
      ? []
      : [
          encodeAll(
            IDENTIFIER.sequence,
            request.revoked.map((one) => entryFor(one, times)),
          ),
        ]),
    writeDer(
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
    ),
  );
  const der = encode(
    IDENTIFIER.sequence,
    toBeSigned,
    ALGORITHM,
    writeDer(write.bits(signatureOf(toBeSigned, issuer.privateKeyDer))),
  );
  if (der.length > MAX_CRL_BYTES) {
    throw new FederationError(
      "UNAVAILABLE",
      `A list of ${request.revoked.length} revoked certificates is longer than ${MAX_CRL_BYTES} bytes.`,
    );
  }
  return der;
}

/** @param times those that were written before, for many are revoked at once */
function entryFor({ serial, revokedAt, reason }: RevokedCertificate, times: Map<number, Buffer>): Buffer {
  const because = ENTRY_EXTENSIONS.get(reason);
  const time = times.get(revokedAt.getTime()) ?? writeDer(write.time(revokedAt));
  times.set(revokedAt.getTime(), time);
  return encode(
    IDENTIFIER.sequence,
    encode(IDENTIFIER.integer, positiveInteger(Buffer.from(serial, "hex"))),
    time,
    // "unspecified" is said by leaving the reason out.
    ...(because === undefined ? [] : [because]),
  );
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
  const [list, after] = der.length > MAX_CRL_BYTES ? [] : valuesIn(der, CODE);
  const [toBeSigned, algorithm, signature, more] = valuesIn(contentOf(list, IDENTIFIER.sequence), CODE);
  const bits = contentOf(signature, IDENTIFIER.bitString);
  const issuer = readX509(issuerCertificateDer, CODE);
  if (
    toBeSigned === undefined ||
    algorithm?.whole.equals(ALGORITHM) !== true ||
    after !== undefined ||
    more !== undefined ||
    bits[0] !== 0 ||
    !verify("sha256", toBeSigned.whole, issuer.publicKey, bits.subarray(1))
  ) {
    throw refused();
  }
  const fields = valuesIn(contentOf(toBeSigned, IDENTIFIER.sequence), CODE);
  const [, , issuerName, thisUpdate, nextUpdate, sixth, seventh] = fields;
  if (issuerName?.whole.equals(subjectNameOf(issuerCertificateDer)) !== true) {
    throw refused();
  }
  const entries = sixth?.tag === IDENTIFIER.sequence ? sixth : undefined;
  const last = entries === undefined ? sixth : seventh;
  const extensions = last?.tag === IDENTIFIER.context0 ? readDer(last.whole, CODE) : undefined;
  const distributionPoint = distributionPointOf(extensions);
  const number = extensionOf(extensions, OID.crlNumber);
  const revokedSerials = new Set<string>();
  const reasons = new Map<string, string>();
  for (const entry of entries === undefined ? [] : valuesIn(entries.content, CODE)) {
    const { serial, reason } = entryOf(entry);
    revokedSerials.add(serial);
    if (reason !== undefined) {
      reasons.set(serial, reason);
    }
  }
  return {
    number: number === undefined ? 0 : numberOf(number),
    ...(distributionPoint === undefined ? {} : { distributionPoint }),
    revokedSerials,
    reasons,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
  };
}

/** An entry: the serial, when it was revoked and, where it says so, why. */
function entryOf(entry: DerValue): { serial: string; reason: string | undefined } {
  const [serialNumber, , extensions] = valuesIn(contentOf(entry, IDENTIFIER.sequence), CODE);
  const serial = contentOf(serialNumber, IDENTIFIER.integer);
  return {
    serial: (serial[0] === 0 ? serial.subarray(1) : serial).toString("hex"),
    reason: extensions === undefined ? undefined : reasonIn(contentOf(extensions, IDENTIFIER.sequence)),
  };
}

/** The name of the reason among the extensions of an entry, where it is one that we know. */
function reasonIn(extensions: Buffer): string | undefined {
  for (const one of valuesIn(extensions, CODE)) {
    const [id, second, third] = valuesIn(contentOf(one, IDENTIFIER.sequence), CODE);
    if (id?.whole.equals(REASON_CODE) === true) {
      // It may say whether it is critical in between.
      const [code] = valuesIn(contentOf(third ?? second, IDENTIFIER.octetString), CODE);
      const [number] = contentOf(code, IDENTIFIER.enumerated);
      return Object.keys(REASONS).find((name) => REASONS[name] === number);
    }
  }
  return undefined;
}

function contentOf(value: DerValue | undefined, tag: number): Buffer {
  if (value?.tag !== tag) {
    throw refused();
  }
  return value.content;
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

function timeOf(value: DerValue | undefined): Date {
  return value?.tag === IDENTIFIER.generalizedTime
    ? forge.asn1.generalizedTimeToDate(value.content.toString("latin1"))
    : forge.asn1.utcTimeToDate(contentOf(value, IDENTIFIER.utcTime).toString("latin1"));
}

function refused(): FederationError {
  return new FederationError(CODE, "The revocation list was not signed by this authority.");
}
