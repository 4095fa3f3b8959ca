import type { Config } from "../config/schema.ts";
import type { Sessions } from "../database/session.ts";
import type { Peer } from "../client/peer.ts";
import { before } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import { holderOfToken } from "../source/peers-of-user.ts";
import { createJwtVerifier } from "./jwt.ts";

/** Who asks, with their peers as they are now where the same look at the database told of them. */
export interface LocalUser {
  userId: string;
  peers?: Peer[];
}

/**
 * The bearer token of an `Authorization` header (RFC 6750 §2.1), of which nothing is known yet.
 *
 * @throws FederationError UNAUTHENTICATED where there is none
 */
export function bearerOf(authorization: string | undefined): string {
  const token = /^Bearer ([A-Za-z0-9_.~+/=-]{1,8192})$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) {
    throw unauthenticated();
  }
  return token;
}

/**
 * Finds the local user whose a bearer token is.
 *
 * @throws FederationError UNAUTHENTICATED, with no hint at what was wrong; DEADLINE_EXCEEDED, CANCELLED
 */
export type Authenticate = (token: string, deadline: Deadline) => Promise<LocalUser>;

/** By a token made by `federation.create_user_token` or, where one is configured, a JWT of the configured issuer. */
export async function createAuthenticator(sessions: Sessions, config: Config): Promise<Authenticate> {
  const verifyJwt = config.jwt === undefined ? undefined : await createJwtVerifier(config.jwt);
  return async (token, deadline) => {
    if (token.startsWith("mosaic_")) {
      const holder = await holderOfToken(sessions, token, deadline);
      if (holder !== undefined) {
        return holder;
      }
    } else if (verifyJwt !== undefined) {
      return { userId: await before(deadline.signal, verifyJwt(token)) };
    }
    throw unauthenticated();
  };
}

function unauthenticated(): FederationError {
  return new FederationError(
    "UNAUTHENTICATED",
    'A bearer token of a local user is needed: "mosaic token create --user <id>" makes one.',
  );
}
