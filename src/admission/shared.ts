import { Redis } from "iovalkey";
import type { Logger } from "pino";

/** What several gateways on one database share, in Valkey. */
export interface Shared {
  client: Redis;
  /** What every key of ours begins with: one Valkey may serve several installations. */
  prefix: string;
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
  client.on("error", (error: Error) => {
    if (!away) {
      away = true;
      log.warn({ reason: error.message }, "Valkey is away; each gateway counts by itself meanwhile");
      onChange(true);
    }
  });
  client.on("ready", () => {
    if (away) {
      away = false;
      log.info("Valkey is back");
    }
    // At the start, too: a gateway that stopped while it was away left that standing.
    onChange(false);
  });
  return {
    client,
    prefix: `mosaic:${prefix}`,
    close: () => {
      client.disconnect();
      return Promise.resolve();
    },
  };
}
