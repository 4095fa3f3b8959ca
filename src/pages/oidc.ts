import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretPost,
  discovery,
  enableNonRepudiationChecks,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import type { IDToken } from "openid-client";
import type { Logger } from "pino";
import { z } from "zod";
import type { Config } from "../config/schema.ts";
import { FederationError } from "../errors.ts";
import { whenAsked } from "../when-asked.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal, unseal } from "../seal/seal.ts";

/** Whom a provider has named. */
export interface OidcAccount {
  issuer: string;
  subject: string;
  /** The local user, by the configured claim; null where the provider does not say. */
  userId: string | null;
}

/** What a browser has kept since it went to the provider. */
export interface Begun {
  state: string;
  nonce: string;
  verifier: string;
  /** Milliseconds since 1970. */
  until: number;
  /** The session that it had then, which the next one takes the place of: SHA-256 of the cookie, hex. */
  former?: string | undefined;
}

/** Sign-in by an OpenID Connect provider: authorization code with PKCE, state and nonce (OpenID Connect Core §3.1, RFC 7636, RFC 9700 §2.1). */
export interface Oidc {
  /**
   * Where the browser goes, and what it keeps meanwhile, sealed: it alone can come back.
   *
   * @param former the session that the browser has, hex: its cookie does not come along when the provider sends it back
   * @throws FederationError UNAVAILABLE where the provider does not answer
   */
  start(redirectUri: string, former?: string): Promise<{ url: URL; kept: string }>;
  /** What a browser kept; undefined where it has begun nothing, or too long ago. */
  begun(kept: string | undefined): Begun | undefined;
  /**
   * Whom the provider has named to the browser that came back.
   *
   * @param url the callback's address as the provider wrote it
   * @throws FederationError UNAUTHENTICATED, UNAVAILABLE
   */
  finish(url: URL, begun: Begun): Promise<OidcAccount>;
}

/** How long somebody may take at the provider, seconds. */
export const OIDC_SECONDS = 600;

/** What seals are bound to: no other sealed value of the gateway is taken for one. */
const SEALED_FOR = "sign-in by OpenID Connect";

const begunSchema: z.ZodType<Begun> = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  until: z.number(),
  former: z.string().optional(),
});

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

  const unavailable = (cause: unknown): FederationError => {
    log.warn({ err: cause }, "the OpenID Connect provider does not answer as one");
    return new FederationError("UNAVAILABLE", "The provider is not available for now.", { cause, retryAfter: 5 });
  };
  const provider = whenAsked(() =>
    discovery(issuer, oidc.clientId, undefined, clientSecret === undefined ? None() : ClientSecretPost(clientSecret), {
      execute: [
        // A token that came by TLS need not be signed (OpenID Connect Core §3.1.3.7, 6): whoever is between us and the provider, such as a proxy, is not to be believed.
        enableNonRepudiationChecks,
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so as to stand out; only of a provider on loopback, the configuration takes no other without TLS
        ...(issuer.protocol === "http:" ? [allowInsecureRequests] : []),
      ],
    }).catch((cause: unknown) => {
      throw unavailable(cause);
    }),
  );

  return {
    start: async (redirectUri, former) => {
      const configuration = await provider();
      const kept: Begun = {
        state: randomState(),
        nonce: randomNonce(),
        verifier: randomPKCECodeVerifier(),
        until: Date.now() + OIDC_SECONDS * 1_000,
        former,
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
    begun: (kept) => open(kept, keyring()),
    finish: async (url, { state, nonce, verifier }) => {
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
        return { issuer: claims.iss, subject: claims.sub, userId: userOf(claims, oidc.userClaim) };
      } catch (cause) {
        log.warn({ err: cause }, "a sign-in by the OpenID Connect provider was refused");
        throw new FederationError("UNAUTHENTICATED", "The sign-in was not accepted.", { cause });
      }
    },
  };
}

/** An address that the provider has not verified is what its person wrote: it may be somebody else's (OpenID Connect Core §5.7). */
function userOf(claims: IDToken, claim: string): string | null {
  const user = claims[claim];
  return typeof user === "string" && (claim !== "email" || claims["email_verified"] === true) ? user : null;
}

function open(kept: string | undefined, keyring: Keyring): Begun | undefined {
  if (kept === undefined) {
    return undefined;
  }
  try {
    const read = begunSchema.parse(
      JSON.parse(unseal(keyring, Buffer.from(kept, "base64url"), SEALED_FOR).toString("utf8")),
    );
    return read.until > Date.now() ? read : undefined;
  } catch {
    // Not sealed here, or by a key that is gone: as one that came too late.
    return undefined;
  }
}
