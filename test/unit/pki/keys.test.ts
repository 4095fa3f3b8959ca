import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { keyPairOf } from "../../../src/pki/keys.ts";

describe("the key pair of a seed", () => {
  test("is always the same, and another for another seed", () => {
    const [seed, other] = [randomBytes(48), randomBytes(48)];
    expect(keyPairOf(seed)).toEqual(keyPairOf(Buffer.from(seed)));
    expect(keyPairOf(seed).publicKeyDer.equals(keyPairOf(other).publicKeyDer)).toBe(false);
  });

  test("of zero is that of the secret 1: the generator of P-256 (SP 800-186 §3.2.1.3)", () => {
    expect(keyPairOf(Buffer.alloc(48)).publicKeyDer.subarray(-64).toString("hex")).toBe(
      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" +
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    );
  });

  test("is one: what the private half signs, the public half verifies", () => {
    const { privateKeyPem, publicKeyDer } = keyPairOf(randomBytes(48));
    const signature = sign("sha256", Buffer.from("said"), createPrivateKey(privateKeyPem));
    const publicKey = createPublicKey({ key: publicKeyDer, format: "der", type: "spki" });
    expect(verify("sha256", Buffer.from("said"), publicKey, signature)).toBe(true);
  });
});
