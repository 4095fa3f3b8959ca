import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createCsr, readCsr } from "../../../src/pki/csr.ts";
import { derToPem, pemToDer } from "../../../src/pki/der.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
import { attribute, codeOf, oid, sequence, tlv } from "./craft.ts";
import { hasOpenssl, openssl, rsaCsr } from "./openssl.ts";

const key = generateKeyPair();
const PEM = createCsr({ privateKeyPem: key.privateKeyPem, commonName: "home" });
const DER = pemToDer(PEM, "CERTIFICATE REQUEST", "CSR_INVALID");
const read = (der: Buffer): string => codeOf(() => readCsr(derToPem(der, "CERTIFICATE REQUEST")));

function request(
  publicKeyDer: Buffer,
  privateKeyPem: string,
  algorithm = "1.2.840.10045.4.3.2",
  hash = "sha256",
): Buffer {
  const info = sequence(tlv(2, Buffer.from([0])), sequence(attribute("x")), publicKeyDer, tlv(0xa0));
  const signature = sign(hash, info, createPrivateKey(privateKeyPem));
  return sequence(info, sequence(oid(algorithm)), tlv(3, Buffer.from([0]), signature));
}

test("a request gives the key that it was signed with", () => {
  expect(readCsr(PEM)).toEqual({ publicKeyDer: key.publicKeyDer, commonName: "home", hasAttributes: false });
  expect(read(request(key.publicKeyDer, key.privateKeyPem))).toBe("none");
});

test("a request for another's key is refused", () => {
  expect(read(request(generateKeyPair().publicKeyDer, key.privateKeyPem))).toBe("CSR_INVALID");
});

test("a request with a broken signature is refused", () => {
  const broken = Buffer.from(DER);
  broken.writeUInt8(broken.readUInt8(broken.length - 1) ^ 1, broken.length - 1);
  expect(read(broken)).toBe("CSR_INVALID");
});

test.each(["secp384r1", "secp256k1"])("a key of the curve %s is refused", (namedCurve) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  const der = request(
    publicKey.export({ type: "spki", format: "der" }),
    privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  expect(read(der)).toBe("CSR_INVALID");
});

test("a request signed with another hash is refused", () => {
  expect(read(request(key.publicKeyDer, key.privateKeyPem, "1.2.840.10045.4.3.3", "sha384"))).toBe("CSR_INVALID");
});

test("an RSA key is refused", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = request(
    publicKey.export({ type: "spki", format: "der" }),
    privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    "1.2.840.113549.1.1.11",
  );
  expect(read(der)).toBe("CSR_INVALID");
});

test("a request with any byte changed is refused with CSR_INVALID", () => {
  fc.assert(
    fc.property(fc.nat(DER.length - 1), fc.integer({ min: 1, max: 255 }), (index, by) => {
      expect(read(Buffer.from(DER.map((byte, at) => (at === index ? byte ^ by : byte))))).toBe("CSR_INVALID");
    }),
    { numRuns: 3000 },
  );
});

test("a request's text with any character changed gives the same key or CSR_INVALID", () => {
  fc.assert(
    fc.property(fc.nat(PEM.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (index, character) => {
      const text = PEM.slice(0, index) + character + PEM.slice(index + 1);
      const code = codeOf(() => {
        expect(readCsr(text).publicKeyDer).toEqual(key.publicKeyDer);
      });
      expect(["none", "CSR_INVALID"]).toContain(code);
    }),
    { numRuns: 3000 },
  );
});

test("OpenSSL verifies our requests, and we refuse its RSA ones", (context) => {
  if (!hasOpenssl()) {
    context.skip();
    return;
  }
  expect(openssl(["req", "-verify", "-noout", "-in", "csr.pem"], { "csr.pem": PEM })).toMatchObject({ status: 0 });
  expect(codeOf(() => readCsr(rsaCsr()))).toBe("CSR_INVALID");
});
