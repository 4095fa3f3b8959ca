import { randomInt, randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { AuditEntry } from "./entry.ts";

/** How many chains gateways spread their rows over. */
const CHAINS = 16;

/** The share of the queue that refusals may fill. */
const ROOM_FOR_REFUSALS = 0.5;

/**
 * The share of those that cost whoever is refused no token of a grant, so that the network alone limits them: neither what others are refused nor a
 * row that an answer waits for is to wait behind them.
 */
const ROOM_FOR_FREE_REFUSALS = 0.02;

function roomShare({ outcome, code, verb }: AuditEntry): number {
  if (outcome !== "denied") {
    return 1;
  }
  return code === "RATE_LIMITED" || code === "IDENTITY_MALFORMED" || verb === "enroll"
    ? ROOM_FOR_FREE_REFUSALS
    : ROOM_FOR_REFUSALS;
}

/** Takes audit rows off the request's path and writes them in batches. */
export interface AuditQueue {
  /** Never waits and never throws. A full queue drops the entry, counts it, and says so in the log by a row of its own. */
  push(entry: AuditEntry): void;
  /**
   * Settles once the entry is durable. Where it is not in time, it rejects, and the entry, if it still waits, says that its request failed.
   *
   * @throws FederationError UNAVAILABLE
   */
  pushDurable(entry: AuditEntry): Promise<void>;
  /** Whether what a request will have to say can be kept: a verb does not run without. */
  readonly hasRoom: boolean;
  /** Entries that wait. */
  readonly depth: number;
  /** Entries dropped since the start. */
  readonly dropped: number;
  /** Writes what is queued, then stops. Gives up after the deadline and logs what was lost. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * @param options.capacity entries that may wait
 * @param options.batchSize entries in one statement
 * @param options.intervalMs the longest that an entry waits while the database is there
 */
export function createAuditQueue(
  sessions: Sessions,
  log: Logger,
  options = { capacity: 50_000, batchSize: 1000, intervalMs: 200, durableMs: 5_000 },
): AuditQueue {
  // Gateways that write to different chains do not wait for each other.
  const chain = `requests-${randomInt(CHAINS)}`;
  const entries: AuditEntry[] = [];
  let dropped = 0;
  let gap: { count: number; since: string; until: string } | undefined;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let closed = false;
  const awaited = new Map<AuditEntry, () => void>();

  const write = async (): Promise<void> => {
    while (entries.length > 0 || gap !== undefined) {
      const batch = entries.slice(0, options.batchSize);
      const missing = gap;
      const rows = missing === undefined ? batch : [...batch, gapEntry(missing)];
      await sessions.asGatewayOnce({
        text: "select federation.append_audit($1, $2)",
        values: [JSON.stringify(rows), chain],
      });
      entries.splice(0, batch.length);
      for (const entry of batch) {
        awaited.get(entry)?.();
      }
      if (gap === missing) {
        gap = undefined;
      } else if (gap !== undefined && missing !== undefined) {
        gap = { ...gap, count: gap.count - missing.count };
      }
      failures = 0;
    }
  };
  const flush = (): Promise<void> => {
    running ??= write()
      .catch((error: unknown) => {
        failures += 1;
        if (failures === 1) {
          log.error({ err: error, waiting: entries.length }, "audit rows cannot be written for now");
        }
        throw error;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  const schedule = (): void => {
    timer ??= setTimeout(
      () => {
        timer = undefined;
        flush().catch(() => {
          schedule();
        });
      },
      Math.min(options.intervalMs * 2 ** failures, 10_000),
    );
  };
  const flushUntil = async (done: () => boolean): Promise<void> => {
    try {
      // A write that is just ending does not take along what came last.
      while (!done()) {
        await flush();
      }
    } catch {
      // Logged by flush; tried again until the deadline.
      schedule();
    }
  };
  const keep = (entry: AuditEntry): boolean => {
    // Whoever is refused can be so as often as they like: their rows leave room for those of verbs that ran.
    if (closed || entries.length >= options.capacity * roomShare(entry)) {
      dropped += 1;
      gap = { count: (gap?.count ?? 0) + 1, since: gap?.since ?? entry.at, until: entry.at };
      if (closed) {
        log.error(
          { requestId: entry.request_id, verb: entry.verb, code: entry.code },
          "an audit row came too late to be kept",
        );
      }
      return false;
    }
    entries.push(entry);
    return true;
  };
  return {
    push: (entry) => {
      if (keep(entry)) {
        schedule();
      }
    },
    pushDurable: async (entry) => {
      if (!keep(entry)) {
        throw new FederationError("UNAVAILABLE", "The audit queue is full.");
      }
      const written = new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          awaited.delete(entry);
          // What the row will say once it is written after all: nothing left.
          Object.assign(entry, { outcome: "failed", code: "UNAVAILABLE", row_count: 0, bytes_out: 0 });
          reject(new FederationError("UNAVAILABLE", "The audit row was not written in time."));
        }, options.durableMs);
        awaited.set(entry, () => {
          clearTimeout(timer);
          awaited.delete(entry);
          resolve();
        });
      });
      void flushUntil(() => !awaited.has(entry));
      await written;
    },
    get hasRoom() {
      // The rest is for requests that are running already.
      return entries.length < options.capacity * 0.8;
    },
    get depth() {
      return entries.length;
    },
    get dropped() {
      return dropped;
    },
    close: async (deadlineMs) => {
      clearTimeout(timer);
      const deadline = performance.now() + deadlineMs;
      while ((entries.length > 0 || gap !== undefined) && performance.now() < deadline) {
        await flush().catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
      }
      clearTimeout(timer);
      closed = true;
      const lost = entries.length + (gap?.count ?? 0);
      if (lost > 0) {
        log.error({ lost }, "audit rows were lost");
      }
    },
  };
}

/** The trail itself says what is missing from it. */
function gapEntry({ count, since, until }: { count: number; since: string; until: string }): AuditEntry {
  return {
    at: new Date().toISOString(),
    verb: "gap",
    outcome: "failed",
    code: "DROPPED",
    row_count: count,
    request_id: randomUUID(),
    details: { since, until },
  };
}
