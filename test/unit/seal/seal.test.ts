import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FederationError } from "../../../src/errors.ts";
import { seal, sealVersion, unseal } from "../../../src/seal/seal.ts";
import { codeOf } from "../pki/craft.ts";

const keyring = {
  current: 2,
  keys: new Map([
    [1, randomBytes(32)],
    [2, randomBytes(32)],
  ]),
};
const ROW = "3f2b8f0e-58d4-4a4e-9d0f-0c8a7c1d2e3f";

test("what is sealed is opened again, in its own row only", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.string(), (bytes, row, other) => {
      const plaintext = Buffer.from(bytes);
      const sealed = seal(keyring, plaintext, row);
      expect(unseal(keyring, sealed, row)).toEqual(plaintext);
      expect(codeOf(() => unseal(keyring, sealed, other))).toBe(other === row ? "none" : "SEAL_BROKEN");
    }),
  );
});

test("a sealed value with any byte changed or cut off is refused with SEAL_BROKEN", () => {
  const sealed = seal(keyring, Buffer.from("secret"), ROW);
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (index, by, cut) => {
      const mutated = cut
        ? sealed.subarray(0, index)
        : Buffer.from(sealed.map((byte, at) => (at === index ? byte ^ by : byte)));
      expect(codeOf(() => unseal(keyring, mutated, ROW))).toBe("SEAL_BROKEN");
    }),
    { numRuns: 2000 },
  );
});

test("a sealed value carries its format, its key's version and a fresh IV, and nothing of the secret", () => {
  const secret = Buffer.from("-----BEGIN PRIVATE KEY-----");
  const [first, second] = [seal(keyring, secret, ROW), seal(keyring, secret, ROW)];
  expect(first.subarray(0, 5)).toEqual(Buffer.from([1, 0, 0, 0, 2]));
  expect(first.length).toBe(1 + 4 + 12 + 16 + secret.length);
  expect(sealVersion(first)).toBe(2);
  expect(first.equals(second)).toBe(false);
  expect(first.includes("PRIVATE")).toBe(false);
});

test("what an older key sealed still opens, and a missing key is named", () => {
  const old = { ...keyring, current: 1 };
  const sealed = seal(old, Buffer.from("secret"), ROW);
  expect(unseal(keyring, sealed, ROW).toString()).toBe("secret");
  const without = { current: 2, keys: new Map([...keyring.keys].filter(([version]) => version !== 1)) };
  expect(() => unseal(without, sealed, ROW)).toThrow(FederationError);
  expect(() => unseal(without, sealed, ROW)).toThrow(/version 1/);
});
