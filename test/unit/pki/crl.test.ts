import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { RevokedCertificate, SignedCrl } from "../../../src/pki/authority.ts";
import { readCrl } from "../../../src/pki/crl.ts";
import { derToPem } from "../../../src/pki/der.ts";
import { codeOf, issued } from "./craft.ts";
import { hasOpenssl, openssl } from "./openssl.ts";

let made: Awaited<ReturnType<typeof issued>>;
let crl: SignedCrl;
beforeAll(async () => {
  made = await issued();
  const revoked = [
    { serial: made.client.serial, revokedAt: new Date("2026-03-01T10:00:00Z"), reason: "keyCompromise" },
  ];
  crl = await made.authority.publishCrl({ number: 1, revoked });
});
const read = (der: Buffer): string => codeOf(() => readCrl(der, made.root.certificateDer));

test("a list says what was revoked and when the next one comes", () => {
  const list = readCrl(crl.der, made.root.certificateDer);
  expect(list.revokedSerials).toEqual(new Set([made.client.serial]));
  expect(list.nextUpdate.getTime() - Date.now()).toBeGreaterThan(3_500_000);
  expect(list.thisUpdate.getTime()).toBeLessThanOrEqual(Date.now());
});

test("an empty list revokes nothing", async () => {
  const { der } = await made.authority.publishCrl({ number: 1, revoked: [] });
  expect(readCrl(der, made.root.certificateDer).revokedSerials.size).toBe(0);
});

test.each(["01", "7f", "80", "ff00", "00ff", "8000000000000000000000000000000000000000"])(
  "the serial number %s is read back as it was recorded",
  async (serial) => {
    const revoked = [{ serial, revokedAt: new Date(), reason: "unspecified" }];
    const { der } = await made.authority.publishCrl({ number: 1, revoked });
    const [read] = readCrl(der, made.root.certificateDer).revokedSerials;
    expect(BigInt(`0x${read ?? ""}`)).toBe(BigInt(`0x${serial}`));
  },
);

const many = (length: number): RevokedCertificate[] =>
  Array.from({ length }, (_, index) => ({
    serial: `40${index.toString(16).padStart(38, "0")}`,
    revokedAt: new Date(1_790_000_000_000 + Math.floor(index / 100) * 1_000),
    reason: "superseded",
  }));

test("a list of 200 000 certificates is made and read whole", async () => {
  const revoked = many(200_000);
  const { der } = await made.authority.publishCrl({ number: 1, revoked });
  const { revokedSerials, reasons } = readCrl(der, made.root.certificateDer);
  expect(revokedSerials.size).toBe(200_000);
  expect(revokedSerials).toContain(revoked.at(-1)?.serial);
  expect(reasons.get(revoked[0]?.serial ?? "")).toBe("superseded");
});

test("a list that is longer than what is read is not made", async () => {
  await expect(made.authority.publishCrl({ number: 1, revoked: many(240_000) })).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
});

test.each(["keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"])(
  "the reason %s is read back",
  async (reason) => {
    const revoked = [{ serial: "0123", revokedAt: new Date(), reason }];
    const { der } = await made.authority.publishCrl({ number: 1, revoked });
    expect(readCrl(der, made.root.certificateDer).reasons).toEqual(new Map([["0123", reason]]));
  },
);

test("a list of another authority is refused", async () => {
  const other = await issued();
  expect(codeOf(() => readCrl(crl.der, other.root.certificateDer))).toBe("CERTIFICATE_INVALID");
  expect(codeOf(() => readCrl(crl.der, Buffer.from("x")))).toBe("CERTIFICATE_INVALID");
});

test("a list with any byte changed is refused with CERTIFICATE_INVALID", () => {
  expect(read(crl.der)).toBe("none");
  fc.assert(
    fc.property(fc.nat(crl.der.length - 1), fc.integer({ min: 1, max: 255 }), (index, by) => {
      expect(read(Buffer.from(crl.der.map((byte, at) => (at === index ? byte ^ by : byte))))).toBe(
        "CERTIFICATE_INVALID",
      );
    }),
    { numRuns: 3000 },
  );
});

test("OpenSSL reads our lists and refuses the certificates on them", (context) => {
  if (!hasOpenssl()) {
    context.skip();
    return;
  }
  const files = {
    "root.pem": made.authority.rootPem,
    "crl.pem": derToPem(crl.der, "X509 CRL"),
    "client.pem": made.client.certificatePem,
  };
  const text = openssl(["crl", "-text", "-noout", "-in", "crl.pem", "-CAfile", "root.pem"], files);
  expect(text.output).toContain("verify OK");
  expect(text.output).toContain("Key Compromise");
  expect(text.output).toMatch(/CRL Number:\s*(?:0x)?[0-9A-F]+/);
  const verified = openssl(["verify", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "root.pem", "client.pem"], files);
  expect(verified.output).toContain("certificate revoked");
});
