import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { calculateJwkThumbprint, exportJWK, flattenedVerify, FlattenedSign, generateKeyPair, importJWK } from "jose";
import type { FlattenedJWS, JWK } from "jose";
import { z } from "zod";
import { readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import { FederationError } from "../errors.ts";

/** The heads of the audit log's chains at a time, as a gateway says them. */
export interface AuditHeads {
  host: string;
  at: string;
  heads: { chain: string; position: string; hash: string }[];
}

const ALGORITHM = "EdDSA";

const statement = z.object({
  host: z.string(),
  at: z.string(),
  heads: z.array(
    z.object({ chain: z.string(), position: z.string().regex(/^\d{1,19}$/), hash: z.string().regex(/^[0-9a-f]*$/) }),
  ),
});

/** Reads the key that signs heads, an Ed25519 JSON Web Key (RFC 8037), and makes it on first use. */
async function signingKey(paths: GatewayPaths): Promise<JWK> {
  if (!existsSync(paths.auditSigningKey) && !process.env[SECRET_VARIABLES.auditSigningKey]) {
    const { privateKey } = await generateKeyPair(ALGORITHM, { crv: "Ed25519", extractable: true });
    try {
      writeFileSync(paths.auditSigningKey, `${JSON.stringify(await exportJWK(privateKey))}\n`, {
        mode: 0o600,
        flag: "wx",
      });
    } catch (error) {
      // Another command made it in the meantime.
      if (!existsSync(paths.auditSigningKey)) {
        throw error;
      }
    }
  }
  return JSON.parse(readSecret(paths.auditSigningKey, SECRET_VARIABLES.auditSigningKey)) as JWK;
}

function publicPart({ kty, crv, x }: JWK): JWK {
  return {
    ...(kty === undefined ? {} : { kty }),
    ...(crv === undefined ? {} : { crv }),
    ...(x === undefined ? {} : { x }),
  };
}

/**
 * Signs heads, for keeping elsewhere: who has them can tell later whether the end of a chain was cut off.
 *
 * @returns a JSON Web Signature (RFC 7515 §7.2.2) with the public key in its header, and that key's thumbprint (RFC 7638)
 */
export async function signHeads(
  paths: GatewayPaths,
  heads: AuditHeads,
): Promise<{ signed: FlattenedJWS; thumbprint: string }> {
  const key = await signingKey(paths);
  const signed = await new FlattenedSign(new TextEncoder().encode(JSON.stringify(heads)))
    .setProtectedHeader({ alg: ALGORITHM, jwk: publicPart(key) })
    .sign(await importJWK(key, ALGORITHM));
  return { signed, thumbprint: await calculateJwkThumbprint(publicPart(key)) };
}

/**
 * Reads heads that `signHeads` signed, with this gateway's key or the one of the thumbprint.
 *
 * @param file what was kept
 * @throws FederationError AUDIT_BROKEN where the signature does not hold or is another's, USAGE where the file cannot be read
 */
export async function readSignedHeads(paths: GatewayPaths, file: string, thumbprint?: string): Promise<AuditHeads> {
  let signed: FlattenedJWS;
  try {
    signed = JSON.parse(readFileSync(file, "utf8")) as FlattenedJWS;
  } catch (cause) {
    throw new FederationError("USAGE", `${file} holds no signed heads`, { cause });
  }
  const expected = thumbprint ?? (await calculateJwkThumbprint(publicPart(await signingKey(paths))));
  let payload: Uint8Array;
  try {
    const verified = await flattenedVerify(
      signed,
      async (header) => {
        const jwk = header.jwk ?? {};
        if ((await calculateJwkThumbprint(jwk)) !== expected) {
          throw new Error("the key is another's");
        }
        return importJWK(jwk, ALGORITHM);
      },
      { algorithms: [ALGORITHM] },
    );
    payload = verified.payload;
  } catch (cause) {
    throw new FederationError(
      "AUDIT_BROKEN",
      `the signature of ${file} does not hold, or is not by the key with the thumbprint ${expected}`,
      { cause },
    );
  }
  return statement.parse(JSON.parse(new TextDecoder().decode(payload)));
}
