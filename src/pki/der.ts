/* eslint-disable @typescript-eslint/no-unsafe-enum-comparison, @typescript-eslint/no-unsafe-enum-assignment --
   the declarations of node-forge type every tag as a universal one; the tags of context-specific values are numbers of their own */
import { createHash, X509Certificate } from "node:crypto";
import forge from "node-forge";
import { FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { positiveInteger } from "./der-bytes.ts";

/** One value of an ASN.1 structure, as node-forge reads it. */
export type Asn1 = forge.asn1.Asn1;

const { asn1 } = forge;
/** Universal tag numbers (ITU-T X.680). */
export const TAG = asn1.Type;
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;

// The type declarations know the older signature only; bit strings stay bytes, for a signature is never a structure.
const STRICT = { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: 32 };

/** The longest PEM or DER that is read, bytes. */
const MAX_BYTES = 16_384;

/** SHA-256 of a DER structure, hex, lower case. */
export function fingerprintOf(der: Buffer): string {
  return createHash("sha256").update(der).digest("hex");
}

/**
 * Reads one DER value and nothing after it.
 *
 * @throws FederationError with the given code on anything that is not well-formed
 */
export function readDer(der: Buffer, code: ErrorCode, maxBytes: number = MAX_BYTES): Asn1 {
  if (der.length === 0 || der.length > maxBytes) {
    throw malformed(code);
  }
  let value: Asn1;
  let again: Buffer;
  try {
    // The reader writes its defaults into the options.
    value = asn1.fromDer(forge.util.createBuffer(der.toString("binary")), { ...STRICT } as unknown as boolean);
    again = writeDer(value);
  } catch (cause) {
    throw malformed(code, cause);
  }
  // The reader also takes BER. A value has one DER encoding, so what is written back differently was not DER.
  if (!again.equals(der)) {
    throw malformed(code);
  }
  return value;
}

/** Writes an ASN.1 value as DER. */
export function writeDer(value: Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "binary");
}

/**
 * The single block of a PEM text.
 *
 * @param label what the block says it is, for example `CERTIFICATE`
 * @throws FederationError with the given code where it holds anything else
 */
export function pemToDer(pem: string, label: string, code: ErrorCode): Buffer {
  const match =
    pem.length <= MAX_BYTES
      ? /^\s*-----BEGIN ([A-Z ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n?-----END \1-----\s*$/.exec(pem)
      : null;
  if (match?.[1] !== label || match[2] === undefined) {
    throw malformed(code);
  }
  const base64 = match[2].replace(/[\r\n]/g, "");
  const der = Buffer.from(base64, "base64");
  // Base64 has one spelling here: no padding inside, no bits that mean nothing.
  if (der.toString("base64") !== base64) {
    throw malformed(code);
  }
  return der;
}

/** The blocks of one kind in a PEM text, each as its own text; whatever else the text holds is left out. */
export function pemBlocks(pem: string, label: string): string[] {
  return pem.match(new RegExp(`-----BEGIN ${label}-----[A-Za-z0-9+/=\\r\\n]+-----END ${label}-----`, "g")) ?? [];
}

/** DER as PEM (RFC 7468). */
export function derToPem(der: Buffer, label: string): string {
  const lines = der.toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/**
 * A certificate by Node's reader, which takes keys of any kind.
 *
 * @throws FederationError with the given code
 */
export function readX509(certificate: Buffer | string, code: ErrorCode): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw malformed(code, cause);
  }
}

/**
 * The children of a constructed value of the given class and tag.
 *
 * @throws FederationError with the given code where the value is another one
 */
export function children(value: Asn1 | undefined, tag: number, code: ErrorCode, tagClass: number = UNIVERSAL): Asn1[] {
  if (value?.tagClass !== tagClass || value.type !== (tag as forge.asn1.Type) || !Array.isArray(value.value)) {
    throw malformed(code);
  }
  return value.value;
}

/**
 * The content bytes of a primitive value of the given tag.
 *
 * @throws FederationError with the given code where the value is another one
 */
export function bytesOf(value: Asn1 | undefined, tag: number, code: ErrorCode, tagClass: number = UNIVERSAL): Buffer {
  if (value?.tagClass !== tagClass || value.type !== (tag as forge.asn1.Type) || typeof value.value !== "string") {
    throw malformed(code);
  }
  return Buffer.from(value.value, "binary");
}

/** The dotted form of an OBJECT IDENTIFIER. */
export function oidOf(value: Asn1 | undefined, code: ErrorCode): string {
  const bytes = bytesOf(value, TAG.OID, code);
  try {
    return asn1.derToOid(forge.util.createBuffer(bytes.toString("binary")));
  } catch (cause) {
    throw malformed(code, cause);
  }
}

/** Whether a value is the context-specific one of this number, as OPTIONAL and CHOICE members are told apart. */
export function isContext(value: Asn1, tag: number): boolean {
  return value.tagClass === CONTEXT_SPECIFIC && value.type === (tag as forge.asn1.Type);
}

/** Writers of the types that certificates are made of. */
export const write = {
  sequence: (...items: Asn1[]): Asn1 => asn1.create(UNIVERSAL, TAG.SEQUENCE, true, items),
  set: (...items: Asn1[]): Asn1 => asn1.create(UNIVERSAL, TAG.SET, true, items),
  oid: (oid: string): Asn1 => asn1.create(UNIVERSAL, TAG.OID, false, asn1.oidToDer(oid).getBytes()),
  utf8: (text: string): Asn1 => asn1.create(UNIVERSAL, TAG.UTF8, false, Buffer.from(text).toString("binary")),
  boolean: (value: boolean): Asn1 => asn1.create(UNIVERSAL, TAG.BOOLEAN, false, value ? "\xff" : "\x00"),
  octets: (bytes: Buffer): Asn1 => asn1.create(UNIVERSAL, TAG.OCTETSTRING, false, bytes.toString("binary")),
  bits: (bytes: Buffer, unused = 0): Asn1 =>
    asn1.create(UNIVERSAL, TAG.BITSTRING, false, String.fromCharCode(unused) + bytes.toString("binary")),
  /** A positive INTEGER from its big-endian bytes. */
  integer: (bytes: Buffer): Asn1 =>
    asn1.create(UNIVERSAL, TAG.INTEGER, false, positiveInteger(bytes).toString("binary")),
  enumerated: (value: number): Asn1 => asn1.create(UNIVERSAL, TAG.ENUMERATED, false, String.fromCharCode(value)),
  /** UTCTime up to 2049 and GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
  time: (at: Date): Asn1 =>
    at.getUTCFullYear() < 2050
      ? asn1.create(UNIVERSAL, TAG.UTCTIME, false, asn1.dateToUtcTime(at))
      : asn1.create(UNIVERSAL, TAG.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(at)),
  /** `[tag] EXPLICIT`, and IMPLICIT constructed values. */
  context: (tag: number, ...items: Asn1[]): Asn1 => asn1.create(CONTEXT_SPECIFIC, tag, true, items),
  /** `[tag] IMPLICIT` of a primitive value. */
  contextBytes: (tag: number, bytes: Buffer): Asn1 =>
    asn1.create(CONTEXT_SPECIFIC, tag, false, bytes.toString("binary")),
};

function malformed(code: ErrorCode, cause?: unknown): FederationError {
  const what = { CSR_INVALID: "certificate request", IDENTITY_MALFORMED: "certificate's identity" } as const;
  const noun = code in what ? what[code as keyof typeof what] : "certificate";
  return new FederationError(code, `The ${noun} is not well-formed.`, { cause });
}
