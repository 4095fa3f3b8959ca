import fc from "fast-check";
import { expect, test } from "vitest";
import { derToPem, pemBlocks, pemToDer } from "../../../src/pki/der.ts";
import { codeOf } from "./craft.ts";

const read = (pem: string): string => codeOf(() => pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID"));

test("what is written as PEM is read back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), (bytes) => {
      const pem = derToPem(Buffer.from(bytes), "CERTIFICATE");
      expect(pem.split("\n").every((line) => line.length <= 64)).toBe(true);
      expect(pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID")).toEqual(Buffer.from(bytes));
    }),
  );
});

const PEM = derToPem(Buffer.alloc(100, 7), "CERTIFICATE");
test.each<[string, string]>([
  ["two blocks", PEM + PEM],
  ["another label", derToPem(Buffer.alloc(100, 7), "PRIVATE KEY")],
  ["labels that differ", PEM.replace("END CERTIFICATE", "END X509 CRL")],
  ["text before it", `subject=x\n${PEM}`],
  ["text after it", `${PEM}x`],
  ["base64 with bits that mean nothing", PEM.replace("==\n", "==\n").replace(/BwcHBw==/, "BwcHBx==")],
  ["padding in the middle", PEM.replace("BwcH", "Bw==")],
  ["more than 16 KiB", derToPem(Buffer.alloc(13_000, 7), "CERTIFICATE")],
  ["nothing", ""],
])("PEM with %s is refused", (_name, pem) => {
  expect(read(PEM)).toBe("none");
  expect(pem).not.toBe(PEM);
  expect(read(pem)).toBe("CERTIFICATE_INVALID");
});

test("a long text that is not PEM is refused without delay", () => {
  const started = performance.now();
  read(`-----BEGIN CERTIFICATE-----\n${"\n".repeat(16_000)}`);
  read(`${" ".repeat(16_000)}x`);
  expect(performance.now() - started).toBeLessThan(1_000);
});

test("of a PEM text with several blocks, those of one kind are taken out, each by itself", () => {
  const blocks = [1, 2].map((byte) => derToPem(Buffer.alloc(100, byte), "CERTIFICATE"));
  const text = ["subject=x\n", blocks[0], derToPem(Buffer.alloc(9), "X509 CRL"), blocks[1]?.replaceAll("\n", "\r\n")];
  const found = pemBlocks(text.join(""), "CERTIFICATE");
  expect(found.map((block) => pemToDer(block, "CERTIFICATE", "CERTIFICATE_INVALID")[0])).toEqual([1, 2]);
  expect(pemBlocks("-----BEGIN CERTIFICATE-----\nAAAA\n", "CERTIFICATE")).toEqual([]);
});

test("a long text that begins many blocks is read without delay", () => {
  const started = performance.now();
  expect(pemBlocks("-----BEGIN CERTIFICATE-----\nAAAA\n".repeat(200_000), "CERTIFICATE")).toEqual([]);
  expect(performance.now() - started).toBeLessThan(1_000);
});
