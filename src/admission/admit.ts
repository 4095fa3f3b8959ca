import { WINDOW_SECONDS } from "./bucket.ts";
import type { Bucket, Taken } from "./bucket.ts";
import type { GrantTerms, Terms } from "./terms.ts";

/** How a request of a grant was let in, or not. */
export interface Admission {
  taken: Taken;
  terms: GrantTerms;
}

/**
 * Takes a token of a grant's bucket. Before a grant is refused its terms are read again, so that a limit that an administrator raised
 * holds for the next request.
 */
export async function takeToken(bucket: Bucket, terms: Terms, grantId: string): Promise<Admission> {
  const known = await terms.of(grantId);
  const taken = await bucket.take(grantId, known);
  if (taken.allowed) {
    return { taken, terms: known };
  }
  const now = await terms.fresh(grantId);
  return { taken: now === known ? taken : await bucket.take(grantId, now), terms: now };
}

/** What is left of the grant's share (IETF draft-ietf-httpapi-ratelimit-headers-10). */
export function rateLimitHeaders(granted: Admission | undefined): Record<string, string> {
  if (granted === undefined) {
    return {};
  }
  const { limit, remaining, resetSeconds } = granted.taken;
  return {
    "ratelimit-policy": `"grant";q=${limit};w=${WINDOW_SECONDS}`,
    ratelimit: `"grant";r=${remaining};t=${resetSeconds}`,
  };
}
