import { createHash, randomUUID } from "node:crypto";
import { importJWK, SignJWT } from "jose";
import type { JWK } from "jose";
import { z } from "zod";
import { FederationError } from "../errors.ts";
import { pemToDer } from "../pki/der.ts";

/** Makes the one-time tokens by which step-ca does what we ask. */
export interface TokenMint {
  /** For one certificate: bound to the request's bytes, so that who reads it on the way can sign nothing else with it. */
  toSign(options: { subject: string; csrPem: string; names?: readonly string[]; user: object }): Promise<string>;
  /** To revoke one certificate. @param serial decimal */
  toRevoke(serial: string): Promise<string>;
}

const privateJwk = z.looseObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  kid: z.string().min(1),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});

/** step-ca takes a token once and no older than this. */
const LIFETIME = "5m";

/**
 * @param options.url step-ca's address, by a name that it knows itself by: a token is for one place
 * @param options.jwkText the provisioner's private key, JSON Web Key (RFC 7517), with its `kid`
 * @throws FederationError CONFIG_INVALID where the key is none
 */
export async function createTokenMint(options: {
  url: string;
  provisioner: string;
  jwkText: string;
}): Promise<TokenMint> {
  const { url, provisioner } = options;
  const jwk = readJwk(options.jwkText);
  const key = await importJWK(jwk, "ES256").catch((cause: unknown) => {
    throw noKey(cause);
  });
  const mint = (verb: "sign" | "revoke", subject: string, claims: Record<string, unknown>): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: jwk.kid })
      .setIssuer(provisioner)
      .setSubject(subject)
      .setAudience(new URL(`/1.0/${verb}`, url).href)
      .setJti(randomUUID())
      .setNotBefore("0s")
      .setIssuedAt()
      .setExpirationTime(LIFETIME)
      .sign(key);
  return {
    toSign: ({ subject, csrPem, names, user }) =>
      mint("sign", subject, {
        cnf: {
          "x5rt#S256": createHash("sha256")
            .update(pemToDer(csrPem, "CERTIFICATE REQUEST", "CSR_INVALID"))
            .digest("base64url"),
        },
        user,
        ...(names === undefined ? {} : { sans: names }),
      }),
    toRevoke: (serial) => mint("revoke", serial, {}),
  };
}

function readJwk(text: string): JWK & { kid: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw noKey(cause);
  }
  const parsed = privateJwk.safeParse(value);
  if (!parsed.success) {
    throw noKey(parsed.error);
  }
  return parsed.data;
}

function noKey(cause: unknown): FederationError {
  return new FederationError("CONFIG_INVALID", "the provisioner's key is no private P-256 JSON Web Key with a kid", {
    cause,
  });
}
