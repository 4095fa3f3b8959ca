import { createHash, X509Certificate } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import fc from "fast-check";
import { readPeerIdentity } from "../../../src/pki/identity.ts";
import {
  ARC,
  attribute,
  CLIENT_AUTH,
  codeOf,
  craft,
  ekuOf,
  extension,
  IDENTITY,
  issued,
  NAMES,
  OTHER_GRANT,
  otherName,
  oid,
  sanOf,
  sequence,
  SERVER_AUTH,
  tlv,
  uri,
} from "./craft.ts";

let certificateDer: Buffer;
beforeAll(async () => {
  certificateDer = (await issued()).client.certificateDer;
});

const read = (der: Buffer): string => codeOf(() => readPeerIdentity(der, ARC));
const [GRANT, SUBJECT, LINK] = NAMES as [Buffer, Buffer, Buffer];
const SAN = sanOf(...NAMES);
const EKU = ekuOf(CLIENT_AUTH);

test("an issued certificate says the grant, the subject and the host that it was issued for", () => {
  const serial = new X509Certificate(certificateDer).serialNumber.toLowerCase();
  expect(readPeerIdentity(certificateDer, ARC)).toEqual({
    ...IDENTITY,
    serial,
    fingerprint: createHash("sha256").update(certificateDer).digest("hex"),
    commonName: IDENTITY.grantId,
    publicKeyDer: new X509Certificate(certificateDer).publicKey.export({ type: "spki", format: "der" }),
  });
  expect(serial).toMatch(/^([0-9a-f]{2}){1,20}$/);
});

test.each<[string, Buffer]>([
  ["a minimal certificate of another maker", craft()],
  ["a common name that is a PrintableString", craft({ subject: sequence(attribute(IDENTITY.grantId, 19)) })],
  [
    "a key usage of digitalSignature",
    craft({ extensions: [SAN, EKU, extension("2.5.29.15", tlv(3, Buffer.from([7, 0x80])))] }),
  ],
  [
    "a subject of 256 characters beyond the basic plane",
    craft({ names: [GRANT, otherName(2, "😀".repeat(256)), LINK] }),
  ],
])("%s is read", (_name, der) => {
  expect(readPeerIdentity(der, ARC).grantId).toBe(IDENTITY.grantId);
});

const CA = extension("2.5.29.19", sequence(tlv(1, Buffer.from([255]))), true);
const names = (...list: Buffer[]): Buffer => craft({ names: list });
const extensions = (...list: Buffer[]): Buffer => craft({ extensions: list });

test.each<[string, () => Buffer]>([
  ["without a grant entry", () => names(SUBJECT, LINK)],
  ["without a subject entry", () => names(GRANT, LINK)],
  ["without a URI", () => names(GRANT, SUBJECT)],
  ["with two grant entries", () => names(GRANT, GRANT, SUBJECT, LINK)],
  ["with two subject entries", () => names(GRANT, SUBJECT, otherName(2, "bob"), LINK)],
  ["with two URIs", () => names(GRANT, SUBJECT, LINK, LINK)],
  ["with a URI of another grant", () => names(GRANT, SUBJECT, uri(`mosaic://work.example/grants/${OTHER_GRANT}`))],
  ["with a URI of another scheme", () => names(GRANT, SUBJECT, uri(`https://work.example/grants/${IDENTITY.grantId}`))],
  ["with a URI that goes on", () => names(GRANT, SUBJECT, uri(`mosaic://work.example/grants/${IDENTITY.grantId}/x`))],
  ["with an upper-case host", () => names(GRANT, SUBJECT, uri(`mosaic://Work.example/grants/${IDENTITY.grantId}`))],
  ["with a grant entry that is an IA5String", () => names(otherName(1, IDENTITY.grantId, 22), SUBJECT, LINK)],
  ["with a subject entry that is an IA5String", () => names(GRANT, otherName(2, "alice", 22), LINK)],
  ["with an entry of another kind", () => names(...NAMES, otherName(3, "x"))],
  [
    "with an entry that goes on after its value",
    () => names(GRANT, tlv(0xa0, oid(`${ARC}.2`), tlv(0xa0, tlv(12, "alice"), tlv(12, "bob"))), LINK),
  ],
  ["with an empty subject", () => names(GRANT, otherName(2, ""), LINK)],
  ["with a subject of 257 characters", () => names(GRANT, otherName(2, "a".repeat(257)), LINK)],
  ["with a NUL in the subject", () => names(GRANT, otherName(2, "al\0ice"), LINK)],
  ["with a subject that is not UTF-8", () => names(GRANT, otherName(2, Buffer.from([0x61, 0xff])), LINK)],
  [
    "with an upper-case grant id throughout",
    () => {
      const upper = IDENTITY.grantId.toUpperCase();
      return craft({
        names: [otherName(1, upper), SUBJECT, uri(`mosaic://work.example/grants/${upper}`)],
        subject: sequence(attribute(upper)),
      });
    },
  ],
  ["with a common name of another grant", () => craft({ subject: sequence(attribute(OTHER_GRANT)) })],
  ["without a common name", () => craft({ subject: sequence() })],
  [
    "with two common names",
    () => craft({ subject: sequence(attribute(IDENTITY.grantId), attribute(IDENTITY.grantId)) }),
  ],
  ["for servers", () => extensions(SAN, ekuOf(SERVER_AUTH))],
  ["for clients and servers", () => extensions(SAN, ekuOf(CLIENT_AUTH, SERVER_AUTH))],
  ["without an extended key usage", () => extensions(SAN)],
  ["with two extended key usages", () => extensions(SAN, EKU, EKU)],
  ["without alternative names", () => extensions(EKU)],
  ["with alternative names twice", () => extensions(SAN, SAN, EKU)],
  ["of an authority", () => extensions(SAN, EKU, CA)],
  ["for encipherment only", () => extensions(SAN, EKU, extension("2.5.29.15", tlv(3, Buffer.from([5, 0x20]))))],
  ["with bytes after it", () => Buffer.concat([craft(), Buffer.from([0])])],
  [
    "with bytes after the alternative names",
    () => extensions(extension("2.5.29.17", Buffer.concat([sequence(...NAMES), Buffer.from([0])])), EKU),
  ],
  ["with a negative serial number", () => craft({ serial: tlv(2, Buffer.from([0x80, 1])) })],
  ["with the serial number 0", () => craft({ serial: tlv(2, Buffer.from([0])) })],
  ["with a serial number of 21 bytes", () => craft({ serial: tlv(2, Buffer.alloc(21, 0x11)) })],
  ["that is empty", () => Buffer.alloc(0)],
])("a certificate %s is refused", (_name, make) => {
  expect(read(craft())).toBe("none");
  expect(read(make())).toBe("IDENTITY_MALFORMED");
});

test("a certificate under another arc is refused, whatever the arc looks like", () => {
  for (const arc of ["1.3.6.1.4.1.32473.2", "", "x", "9.99.1", "1.3.6.1.4.1.32473.1."]) {
    expect(codeOf(() => readPeerIdentity(certificateDer, arc))).toBe("IDENTITY_MALFORMED");
  }
});

test("a certificate with any byte changed, cut or added is read as an identity or refused with IDENTITY_MALFORMED", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom("change", "cut", "insert"),
      (at, by, how) => {
        const index = at % certificateDer.length;
        const mutated =
          how === "cut"
            ? certificateDer.subarray(0, index)
            : how === "insert"
              ? Buffer.concat([certificateDer.subarray(0, index), Buffer.from([by]), certificateDer.subarray(index)])
              : Buffer.from(certificateDer.map((byte, position) => (position === index ? byte ^ by : byte)));
        expect(["none", "IDENTITY_MALFORMED"]).toContain(read(mutated));
      },
    ),
    { numRuns: 4000 },
  );
});

test("bytes that were never a certificate are refused with IDENTITY_MALFORMED", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(read(Buffer.from(bytes))).toBe("IDENTITY_MALFORMED");
    }),
    { numRuns: 1000 },
  );
});
