import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import type { Metrics } from "./metrics.ts";
import { observeGateway } from "./observe-gateway.ts";
import type { Observed } from "./observe-gateway.ts";
import { watchAlerts } from "./open-alerts.ts";
import { keepReporting } from "./report.ts";

/** Lets a running gateway be seen: by its metrics, and by what it writes of itself into its database. Until `close`. */
export function keepObserving(options: {
  metrics: Metrics;
  sessions: Sessions;
  observed: Omit<Observed, "alerts">;
  log: Logger;
}): { close: () => Promise<void> } {
  const { metrics, sessions, observed, log } = options;
  const { access, audit, certificate, revocations } = observed;
  const alerts = watchAlerts(sessions, log);
  observeGateway(metrics, { ...observed, alerts: alerts.counts });
  const reporting = keepReporting(
    sessions,
    () => ({
      peers: [...access.circuits.health()].map(([id, health]) => ({ id, ...health })),
      cache: access.cache.stats(),
      audit: { waiting: audit.depth, dropped: audit.dropped },
      certificateUntil: certificate().notAfter.toISOString(),
      listening: revocations.listening,
    }),
    log,
  );
  return {
    close: async () => {
      // Where the database is away one of them fails: the other ends all the same, or its timer would keep the process.
      await Promise.all([reporting.close(), alerts.close()]);
    },
  };
}
