import { RateLimiterMemory, RateLimiterRes, RateLimiterValkey } from "rate-limiter-flexible";
import type { RateLimiterAbstract } from "rate-limiter-flexible";
import { FederationError } from "../errors.ts";
import type { Shared } from "./shared.ts";

/** Holds each grant to its share of requests. */
export interface Bucket {
  /** Takes one token. Throws FederationError RATE_LIMITED, with the seconds to wait, when none is left. */
  take(grantId: string): Promise<void>;
}

/** A bucket for each grant in this process. */
export function createBucket(requestsPerMinute: number): Bucket {
  return bucketOver(new RateLimiterMemory({ points: requestsPerMinute, duration: 60 }));
}

/**
 * A bucket for each grant that every gateway on the same Valkey takes from. While Valkey is away each gateway counts by itself, so that
 * a verb never runs without a token, and its absence stops nobody.
 */
export function createSharedBucket(requestsPerMinute: number, shared: Shared): Bucket {
  const limit = { points: requestsPerMinute, duration: 60 };
  return bucketOver(
    new RateLimiterValkey({
      ...limit,
      storeClient: shared.client,
      keyPrefix: `${shared.prefix}:bucket`,
      insuranceLimiter: new RateLimiterMemory(limit),
    }),
  );
}

function bucketOver(limiter: RateLimiterAbstract): Bucket {
  return {
    take: async (grantId) => {
      try {
        await limiter.consume(grantId);
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) {
          throw new FederationError("RATE_LIMITED", "The grant has used its requests for now.", {
            retryAfter: Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)),
          });
        }
        throw refusal;
      }
    },
  };
}
