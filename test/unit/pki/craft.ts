import { createPrivateKey, sign } from "node:crypto";
import { createCsr } from "../../../src/pki/csr.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";
import { FederationError } from "../../../src/errors.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";

export const ARC = "1.3.6.1.4.1.32473.1";
export const IDENTITY = {
  grantId: "0b8e6c7e-6f0a-4d53-9a5e-2f8f9d5b7a11",
  subjectUserId: "alice",
  host: "work.example",
};
export const OTHER_GRANT = "11111111-2222-4333-8444-555555555555";
const URI = `mosaic://${IDENTITY.host}/grants/${IDENTITY.grantId}`;

/** An authority and one certificate of it, made by the code under test. */
export async function issued() {
  const root = createRoot({ commonName: "work.example federation root", lifetimeDays: 3650 });
  const authority = createEmbeddedAuthority({ ...root, oidArc: ARC, crlUrl: "https://work.example:8444/crl" });
  const key = generateKeyPair();
  const csrPem = createCsr({ privateKeyPem: key.privateKeyPem, commonName: "anything" });
  const client = await authority.issueClientCertificate({
    csrPem,
    identity: IDENTITY,
    lifetimeSeconds: 86_400,
  });
  return { root, authority, key, csrPem, client };
}

/** What a call threw, as its code; an error that is not ours fails the test. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof FederationError) {
      return error.code;
    }
    throw error;
  }
  return "none";
}

// A DER writer of its own, so that the tests can write what the code under test never would.
export function tlv(tag: number, ...content: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(content.map((part) => Buffer.from(part)));
  const { length } = body;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}
export const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, ...parts);
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const base128 = (value: number): number[] =>
    value < 128 ? [value] : [...base128(Math.floor(value / 128)).map((byte) => byte | 0x80), value % 128];
  return tlv(6, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}
export const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [tlv(1, Buffer.from([255]))] : []), tlv(4, value));

/** An entry of a SubjectAltName; 12 is the tag of UTF8String, 22 of IA5String. */
export const otherName = (number: number, text: string | Buffer, tag = 12): Buffer =>
  tlv(0xa0, oid(`${ARC}.${number}`), tlv(0xa0, tlv(tag, text)));
export const uri = (text = URI): Buffer => tlv(0x86, text);
export const attribute = (text: string, tag = 12): Buffer => tlv(0x31, sequence(oid("2.5.4.3"), tlv(tag, text)));

export const NAMES = [otherName(1, IDENTITY.grantId), otherName(2, IDENTITY.subjectUserId), uri()];
export const sanOf = (...names: Buffer[]): Buffer => extension("2.5.29.17", sequence(...names));
export const ekuOf = (...purposes: string[]): Buffer => extension("2.5.29.37", sequence(...purposes.map(oid)));
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** A certificate that differs from a right one where it is told to. */
export function craft(
  change: {
    extensions?: Buffer[];
    subject?: Buffer;
    serial?: Buffer;
    names?: Buffer[];
  } = {},
): Buffer {
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
  const list = change.extensions ?? [sanOf(...(change.names ?? NAMES)), ekuOf(CLIENT_AUTH)];
  const toBeSigned = sequence(
    tlv(0xa0, tlv(2, Buffer.from([2]))),
    change.serial ?? tlv(2, Buffer.from([0x5a, 1, 2, 3])),
    algorithm,
    sequence(attribute("root")),
    sequence(tlv(23, "250101000000Z"), tlv(23, "350101000000Z")),
    change.subject ?? sequence(attribute(IDENTITY.grantId)),
    publicKeyDer,
    tlv(0xa3, sequence(...list)),
  );
  const signature = sign("sha256", toBeSigned, createPrivateKey(privateKeyPem));
  return sequence(toBeSigned, algorithm, tlv(3, Buffer.from([0]), signature));
}
