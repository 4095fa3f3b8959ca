import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { FederationError } from "../errors.ts";

/** Holds each grant to its share of requests. */
export interface Bucket {
  /** Takes one token. Throws FederationError RATE_LIMITED, with the seconds to wait, when none is left. */
  take(grantId: string): Promise<void>;
}

/** A bucket for each grant in this process. */
export function createBucket(requestsPerMinute: number): Bucket {
  const limiter = new RateLimiterMemory({ points: requestsPerMinute, duration: 60 });
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
