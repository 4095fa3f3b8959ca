import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import type { AuditEntry } from "./entry.ts";

/** Takes audit rows off the request's path and writes them in batches. */
export interface AuditQueue {
  /** Never waits and never throws. A full queue drops the entry and counts it. */
  push(entry: AuditEntry): void;
  /** Whether what a request will have to say can be kept: a verb does not run without. */
  readonly hasRoom: boolean;
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
  options = { capacity: 50_000, batchSize: 1000, intervalMs: 200 },
): AuditQueue {
  const entries: AuditEntry[] = [];
  let dropped = 0;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;

  const write = async (): Promise<void> => {
    while (entries.length > 0) {
      const batch = entries.slice(0, options.batchSize);
      await sessions.asGateway((client) => client.query("select federation.append_audit($1)", [JSON.stringify(batch)]));
      entries.splice(0, batch.length);
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
  return {
    push: (entry) => {
      if (entries.length >= options.capacity) {
        dropped += 1;
        return;
      }
      entries.push(entry);
      schedule();
    },
    get hasRoom() {
      // The rest is for requests that are running already, and for refusals.
      return entries.length < options.capacity * 0.8;
    },
    get dropped() {
      return dropped;
    },
    close: async (deadlineMs) => {
      clearTimeout(timer);
      const deadline = Date.now() + deadlineMs;
      while (entries.length > 0 && Date.now() < deadline) {
        await flush().catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
      }
      clearTimeout(timer);
      if (entries.length > 0 || dropped > 0) {
        log.error({ lost: entries.length + dropped }, "audit rows were lost");
      }
    },
  };
}
