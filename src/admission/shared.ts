import { Redis } from "iovalkey";
import type { Logger } from "pino";

/** What several gateways on one database share, in Valkey. */
export interface Shared {
  client: Redis;
  /** What every key of ours begins with: one Valkey may serve several installations. */
  prefix: string;
  /** Whether it does not count: each gateway counts by itself meanwhile. */
  readonly away: boolean;
  /** A command failed: it may be there and count nothing, for want of memory or of rights. */
  failed(error: unknown): void;
  /** A command was done. */
  answered(): void;
  close(): Promise<void>;
}

/**
 * Connects to Valkey, and again after it was away. Commands fail at once while it is, rather than wait.
 *
 * @param url for example `valkey://:password@127.0.0.1:6380` (`redis:` and `rediss:`, too)
 * @param prefix the host of the gateways that share
 * @param onChange is told when Valkey goes away and when it is back
 */
export function connectShared(url: string, prefix: string, log: Logger, onChange: (away: boolean) => void): Shared {
  const client = new Redis(url.replace(/^valkey(s?):/, "redis$1:"), {
    connectTimeout: 5_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    disconnectTimeout: 50,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 10), 10_000),
  });
  let away = false;
  const goneFor = (error: unknown): void => {
    if (!away) {
      away = true;
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        "Valkey does not count; each gateway counts by itself meanwhile",
      );
      onChange(true);
    }
  };
  const back = (): void => {
    if (away) {
      away = false;
      log.info("Valkey is back");
      onChange(false);
    }
  };
  client.on("error", goneFor);
  client.on("ready", () => {
    // Said at the start, too: a gateway that stopped while it was away left that standing.
    if (!away) {
      onChange(false);
    }
    back();
  });
  return {
    client,
    prefix: `mosaic:${prefix}`,
    get away() {
      return away;
    },
    failed: goneFor,
    answered: back,
    close: () => {
      client.disconnect();
      return Promise.resolve();
    },
  };
}
