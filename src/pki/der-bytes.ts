import { FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** One value of a DER structure, as it lies in the bytes. */
export interface DerValue {
  /** The identifier octet (ITU-T X.690 §8.1.2). */
  tag: number;
  content: Buffer;
  /** Identifier, length and content. */
  whole: Buffer;
}

/** Identifier octets of what long lists are made of. */
export const IDENTIFIER = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** `[0]`, constructed. */
  context0: 0xa0,
} as const;

/** Writes one value. Structures of many members are put together from bytes: as a tree they would take ten times as long. */
export function encode(tag: number, ...content: readonly Buffer[]): Buffer {
  return encodeAll(tag, content);
}

/** The same of a list, however long it is. */
export function encodeAll(tag: number, content: readonly Buffer[]): Buffer {
  const length = content.reduce((sum, { length: bytes }) => sum + bytes, 0);
  const head =
    length < 0x80
      ? [tag, length]
      : [tag, 0x80 | bytesFor(length), ...Array.from({ length: bytesFor(length) }, (_, at) => byteOf(length, at))];
  return Buffer.concat([Buffer.from(head), ...content], head.length + length);
}

const bytesFor = (length: number): number => Math.ceil(Math.log2(length + 1) / 8);
const byteOf = (length: number, at: number): number => Math.floor(length / 256 ** (bytesFor(length) - 1 - at)) % 256;

/** The content of a positive INTEGER from its big-endian bytes: as few bytes as there can be, the first bit zero (ITU-T X.690 §8.3.2). */
export function positiveInteger(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const trimmed = bytes.subarray(first === -1 ? Math.max(0, bytes.length - 1) : first);
  return (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), trimmed]) : trimmed;
}

/**
 * The values that lie one after the other in some bytes.
 *
 * @throws FederationError with the given code where lengths are not as DER has them (ITU-T X.690 §10.1), or do not come out even
 */
export function* valuesIn(bytes: Buffer, code: ErrorCode): Generator<DerValue, undefined> {
  for (let at = 0; at < bytes.length;) {
    const [tag = 0, first] = bytes.subarray(at, at + 2);
    const more = first === undefined || first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + more;
    // No indefinite length, none of more than four bytes, none that is longer than it has to be; no tag of more than one byte.
    if (first === undefined || first === 0x80 || more > 4 || start > bytes.length || (tag & 0x1f) === 0x1f) {
      throw malformed(code);
    }
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    if (start + length > bytes.length || (more > 0 && (length < 0x80 || bytesFor(length) !== more))) {
      throw malformed(code);
    }
    yield { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
    at = start + length;
  }
}

function malformed(code: ErrorCode): FederationError {
  return new FederationError(code, "The structure is not well-formed.");
}
