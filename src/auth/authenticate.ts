import type { Config } from "../config/schema.ts";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import { createJwtVerifier } from "./jwt.ts";

/**
 * Finds the local user behind an `Authorization` header.
 *
 * @throws FederationError UNAUTHENTICATED, with no hint at what was wrong
 */
export type Authenticate = (authorization: string | undefined) => Promise<string>;

/** A bearer token made by `federation.create_user_token` or, where one is configured, a JWT of the configured issuer. */
export async function createAuthenticator(sessions: Sessions, config: Config): Promise<Authenticate> {
  const verifyJwt = config.jwt === undefined ? undefined : await createJwtVerifier(config.jwt);
  return async (authorization) => {
    const token = /^Bearer ([A-Za-z0-9_.~+/=-]{1,8192})$/i.exec(authorization ?? "")?.[1];
    if (token?.startsWith("mosaic_") === true) {
      const { rows } = await sessions.asGatewayOnce<{ user_id: string | null }>({
        text: "select federation.user_of_token($1) as user_id",
        values: [token],
      });
      const userId = rows[0]?.user_id ?? undefined;
      if (userId !== undefined) {
        return userId;
      }
    } else if (token !== undefined && verifyJwt !== undefined) {
      return verifyJwt(token);
    }
    throw new FederationError(
      "UNAUTHENTICATED",
      'A bearer token of a local user is needed: "mosaic token create --user <id>" makes one.',
    );
  };
}
