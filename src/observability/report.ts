import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { PeerHealth } from "../client/circuit.ts";
import type { CacheStats } from "../client/response-cache.ts";
import type { Sessions } from "../database/session.ts";
import { repeatedly } from "../repeatedly.ts";

/** What a running gateway says of itself; numbers and times only. */
export interface GatewayReport {
  peers: ({ id: string } & PeerHealth)[];
  cache: CacheStats;
  audit: { waiting: number; dropped: number };
  /** When the gateway's own certificate ends. */
  certificateUntil: string;
  /** Whether changes of grants are told. */
  listening: boolean;
}

/** How often a gateway reports, ms. Readers take it for gone after 30 s (federation.live_gateways). */
const EVERY_MS = 5_000;

/**
 * Writes what a gateway says of itself into its database, so that it can be seen from beside it, until `close`.
 *
 * @param read what there is to say, whenever it is asked
 */
export function keepReporting(
  sessions: Sessions,
  read: () => GatewayReport,
  log: Logger,
): { close: () => Promise<void> } {
  const id = randomUUID();
  const name = `${hostname()}:${process.pid}`.slice(-256);
  const startedAt = new Date();
  let away = false;
  const report = async (): Promise<void> => {
    try {
      await sessions.asGatewayOnce({
        text: "select federation.report_gateway($1, $2, $3, $4)",
        values: [id, name, startedAt, JSON.stringify(read())],
      });
      away = false;
    } catch (error) {
      if (!away) {
        log.warn({ err: error }, "the gateway cannot say how it does: its database does not take it");
      }
      away = true;
    }
  };
  const reporting = repeatedly(EVERY_MS, report);
  return {
    close: async () => {
      await reporting.close();
      await sessions.asGatewayOnce({ text: "select federation.end_gateway($1)", values: [id] });
    },
  };
}
