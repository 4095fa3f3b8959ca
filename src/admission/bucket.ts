import { FederationError } from "../errors.ts";

/** The minute that a limit is about, seconds. */
export const WINDOW_SECONDS = 60;

/** What one key may take. */
export interface Limits {
  requestsPerMinute: number;
  /** The most in one second; null is as many as in a minute. */
  burst: number | null;
}

/** How a take went. */
export interface Taken {
  allowed: boolean;
  /** Requests of a minute. */
  limit: number;
  /** Tokens that are left. */
  remaining: number;
  /** Until the token comes back that was taken first, seconds. */
  resetSeconds: number;
  /** Until a take can succeed again; 0 where this one did. */
  retryAfterSeconds: number;
}

/**
 * Holds each key to its share. A bucket has as many tokens as requests of a minute, and each comes back a minute after it was taken, to
 * the second: in no sixty seconds are there more takes than tokens. A take that is refused takes nothing.
 */
export interface Bucket {
  take(key: string, limits: Limits): Promise<Taken>;
}

/**
 * What to tell whoever was refused.
 *
 * @returns RATE_LIMITED with the seconds to wait and the numbers behind it
 */
export function rateLimited({ limit, retryAfterSeconds }: Taken): FederationError {
  return new FederationError("RATE_LIMITED", "No more requests for now.", {
    retryAfter: retryAfterSeconds,
    details: { limit, remaining: 0, window: WINDOW_SECONDS, retryAfter: retryAfterSeconds },
  });
}

// A slot of one second counts until sixty seconds after its end.
const SLOT_LIFE = WINDOW_SECONDS + 1;
const SWEEP_SECONDS = 60;

/**
 * Buckets in this process.
 *
 * @param now milliseconds that never go back
 */
export function createBucket(now: () => number = () => performance.now()): Bucket {
  const buckets = new Map<string, Map<number, number>>();
  let swept = 0;

  const sweep = (second: number): void => {
    swept = second;
    for (const [key, slots] of buckets) {
      if (Math.max(...slots.keys()) <= second - SLOT_LIFE) {
        buckets.delete(key);
      }
    }
  };
  const take = (key: string, { requestsPerMinute, burst }: Limits): Taken => {
    const second = Math.floor(now() / 1000);
    if (second - swept >= SWEEP_SECONDS) {
      sweep(second);
    }
    const slots = buckets.get(key) ?? new Map<number, number>();
    buckets.set(key, slots);
    let total = 0;
    for (const [slot, count] of slots) {
      if (slot <= second - SLOT_LIFE) {
        slots.delete(slot);
      } else {
        total += count;
      }
    }
    let retryAfterSeconds = 0;
    if (total >= requestsPerMinute) {
      let left = total;
      // In the order of their seconds, for a map keeps the order of insertion.
      for (const [slot, count] of slots) {
        left -= count;
        if (left < requestsPerMinute) {
          retryAfterSeconds = slot + SLOT_LIFE - second;
          break;
        }
      }
    } else if ((slots.get(second) ?? 0) >= (burst ?? Infinity)) {
      retryAfterSeconds = 1;
    } else {
      slots.set(second, (slots.get(second) ?? 0) + 1);
      total += 1;
    }
    const [first = second] = slots.keys();
    return {
      allowed: retryAfterSeconds === 0,
      limit: requestsPerMinute,
      remaining: Math.max(0, requestsPerMinute - total),
      resetSeconds: first + SLOT_LIFE - second,
      retryAfterSeconds,
    };
  };
  return { take: (key, limits) => Promise.resolve(take(key, limits)) };
}
