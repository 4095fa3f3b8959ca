import type { Task } from "graphile-worker";

/**
 * Makes the list of revoked certificates anew, so that it is never past its next update. Safe to repeat and to run twice at once: who comes
 * second waits, and makes the next.
 *
 * @param refresh what makes it; it needs the certificate authority, which jobs do not know
 */
export const crlRefresh =
  (refresh: () => Promise<void>): Task =>
  () =>
    refresh();
