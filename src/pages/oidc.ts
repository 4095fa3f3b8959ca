import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretPost,
  discovery,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import type { Configuration } from "openid-client";
import type { Logger } from "pino";
import { z } from "zod";
import type { Config } from "../config/schema.ts";
import { FederationError } from "../errors.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal, unseal } from "../seal/seal.ts";

/** Whom a provider has named. */
export interface OidcAccount {
  issuer: string;
  subject: string;
  /** The local user, by the configured claim; null where the provider does not say. */
  userId: string | null;
}

/** Sign-in by an OpenID Connect provider: authorization code with PKCE, state and nonce (OpenID Connect Core §3.1, RFC 7636, RFC 9700 §2.1). */
export interface Oidc {
  /**
   * Where the browser goes, and what it keeps meanwhile, sealed: it alone can come back.
   *
   * @throws FederationError UNAVAILABLE where the provider does not answer
   */
  start(redirectUri: string): Promise<{ url: URL; kept: string }>;
  /**
   * Whom the provider has named to the browser that came back.
   *
   * @param url the callback's address as the provider wrote it
   * @throws FederationError UNAUTHENTICATED, UNAVAILABLE
   */
  finish(url: URL, kept: string | undefined): Promise<OidcAccount>;
}

/** How long somebody may take at the provider, seconds. */
export const OIDC_SECONDS = 600;

/** What seals are bound to: no other sealed value of the gateway is taken for one. */
const SEALED_FOR = "sign-in by OpenID Connect";

const keptSchema = z.object({ state: z.string(), nonce: z.string(), verifier: z.string(), until: z.number() });

/**
 * @param options.clientSecret of a confidential client; a public one has none
 * @param options.keyring seals what the browser keeps, so that any gateway of the database can take it back
 */
export function createOidc(options: {
  oidc: NonNullable<Config["pages"]["oidc"]>;
  clientSecret: string | undefined;
  keyring: () => Keyring;
  log: Pick<Logger, "warn">;
}): Oidc {
  const { oidc, clientSecret, keyring, log } = options;
  const issuer = new URL(oidc.issuer);
  let discovered: Promise<Configuration> | undefined;

  const unavailable = (cause: unknown): FederationError => {
    log.warn({ err: cause }, "the OpenID Connect provider does not answer as one");
    return new FederationError("UNAVAILABLE", "The provider is not available for now.", { cause, retryAfter: 5 });
  };
  const provider = async (): Promise<Configuration> => {
    discovered ??= discovery(
      issuer,
      oidc.clientId,
      undefined,
      clientSecret === undefined ? None() : ClientSecretPost(clientSecret),
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so as to stand out; only of a provider on loopback, the configuration takes no other without TLS
      issuer.protocol === "http:" ? { execute: [allowInsecureRequests] } : {},
    );
    try {
      return await discovered;
    } catch (cause) {
      discovered = undefined;
      throw unavailable(cause);
    }
  };

  return {
    start: async (redirectUri) => {
      const configuration = await provider();
      const kept = {
        state: randomState(),
        nonce: randomNonce(),
        verifier: randomPKCECodeVerifier(),
        until: Date.now() + OIDC_SECONDS * 1_000,
      };
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: "openid",
        response_type: "code",
        code_challenge: await calculatePKCECodeChallenge(kept.verifier),
        code_challenge_method: "S256",
        state: kept.state,
        nonce: kept.nonce,
      });
      return { url, kept: seal(keyring(), Buffer.from(JSON.stringify(kept)), SEALED_FOR).toString("base64url") };
    },
    finish: async (url, kept) => {
      const { state, nonce, verifier } = open(kept, keyring());
      const configuration = await provider();
      try {
        const tokens = await authorizationCodeGrant(configuration, url, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined) {
          throw new FederationError("UNAUTHENTICATED", "The provider named nobody.");
        }
        const user = claims[oidc.userClaim];
        return { issuer: claims.iss, subject: claims.sub, userId: typeof user === "string" ? user : null };
      } catch (cause) {
        log.warn({ err: cause }, "a sign-in by the OpenID Connect provider was refused");
        throw new FederationError("UNAUTHENTICATED", "The sign-in was not accepted.", { cause });
      }
    },
  };
}

function open(kept: string | undefined, keyring: Keyring): z.output<typeof keptSchema> {
  try {
    const read = keptSchema.parse(
      JSON.parse(unseal(keyring, Buffer.from(kept ?? "", "base64url"), SEALED_FOR).toString("utf8")),
    );
    if (read.until > Date.now()) {
      return read;
    }
  } catch {
    // As one that came too late.
  }
  throw new FederationError("UNAUTHENTICATED", "The sign-in was not begun by this browser, or too long ago.");
}
