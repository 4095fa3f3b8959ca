import { readFile } from "node:fs/promises";
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from "jose";
import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import type { Config } from "../config/schema.ts";
import { FederationError } from "../errors.ts";

// Signatures by a key pair only: with a shared secret, whoever can check a token could make one (RFC 8725 §3.1).
const ALGORITHMS = ["ES256", "ES384", "EdDSA", "RS256", "PS256"];
const CLOCK_LEEWAY_SECONDS = 30;

/**
 * Checks JWTs against a JWKS (RFC 7519, RFC 7517): signature, issuer, audience, times, and the claim that names the user.
 *
 * @returns a function from a token to the local user id, which throws FederationError UNAUTHENTICATED
 * @throws FederationError CONFIG_INVALID where the JWKS file cannot be read
 */
export async function createJwtVerifier(
  options: NonNullable<Config["jwt"]>,
): Promise<(token: string) => Promise<string>> {
  const keys = await keySource(options);
  return async (token) => {
    let claim: unknown;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: options.audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_LEEWAY_SECONDS,
        requiredClaims: ["exp", options.userClaim],
      });
      claim = payload[options.userClaim];
    } catch (cause) {
      throw new FederationError("UNAUTHENTICATED", "The token was not accepted.", { cause });
    }
    if (typeof claim !== "string" || claim === "") {
      throw new FederationError("UNAUTHENTICATED", "The token was not accepted.");
    }
    return claim;
  };
}

async function keySource({ jwksUrl, jwksFile }: NonNullable<Config["jwt"]>): Promise<JWTVerifyGetKey> {
  if (jwksFile === undefined) {
    return createRemoteJWKSet(new URL(jwksUrl ?? ""));
  }
  try {
    // createLocalJWKSet checks the shape itself.
    return createLocalJWKSet(JSON.parse(await readFile(jwksFile, "utf8")) as JSONWebKeySet);
  } catch (cause) {
    throw new FederationError("CONFIG_INVALID", `jwt.jwksFile: ${jwksFile} holds no key set`, { cause });
  }
}
