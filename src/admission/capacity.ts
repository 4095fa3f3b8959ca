import type { Pool } from "pg";
import { FederationError } from "../errors.ts";

/**
 * Refuses a request before it queues for the database, once too many do.
 *
 * @param waitingRequests how many may wait for a connection of the pool
 * @throws FederationError UNAVAILABLE
 */
export function requireCapacity(pool: Pool, waitingRequests: number): void {
  if (pool.waitingCount > waitingRequests) {
    throw new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 1 });
  }
}
