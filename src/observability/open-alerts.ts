import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { repeatedly } from "../repeatedly.ts";
import type { Reading } from "./metrics.ts";

/** How often the alerts of the database are counted, ms. */
const EVERY_MS = 15_000;

/** The open alerts as of a few seconds ago, until `close`. */
export function watchAlerts(
  sessions: Sessions,
  log: Pick<Logger, "warn">,
): { counts: () => Reading[]; close: () => Promise<void> } {
  let counts: Reading[] = [];
  const count = async (): Promise<void> => {
    try {
      const { rows } = await sessions.asGatewayOnce<{ code: string; severity: string; alerts: string }>({
        text: "select code, severity, alerts from federation.count_alerts()",
      });
      counts = rows.map(({ code, severity, alerts }) => ({ value: Number(alerts), labels: { code, severity } }));
    } catch (error) {
      // What was counted before stays: a database that is away has alerts of its own.
      log.warn({ err: error }, "the open alerts cannot be counted");
    }
  };
  const counting = repeatedly(EVERY_MS, count);
  return {
    counts: () => counts,
    close: counting.close,
  };
}
