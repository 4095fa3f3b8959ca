import type { Capacity } from "../admission/capacity.ts";
import type { Shared } from "../admission/shared.ts";
import type { AuditQueue } from "../audit/queue.ts";
import type { PeerHealth } from "../client/circuit.ts";
import type { PeerAccess } from "../source/peer-source.ts";
import type { WatchedStepCa } from "../step-ca/watch.ts";
import type { Metrics, Reading } from "./metrics.ts";

/** What of a gateway can be seen. */
export interface Observed {
  audit: AuditQueue;
  access: PeerAccess;
  certificate: () => { notAfter: Date };
  capacity: Pick<Capacity, "waiting">;
  /** Absent where the gateway shares nothing. */
  shared: Pick<Shared, "away"> | undefined;
  /** Absent where the gateway signs by itself. */
  stepCa: Pick<WatchedStepCa, "away"> | undefined;
  alerts: () => Reading[];
  /** Whether changes of grants are told, and until when the newest list of revoked certificates is good; undefined where there is none. */
  revocations: { readonly listening: boolean; readonly crlUntil: Date | undefined };
}

/** What is read of a running gateway whenever somebody asks for its metrics. */
export function observeGateway(metrics: Metrics, of: Observed): void {
  const { audit, access, certificate, capacity, shared, stepCa, alerts, revocations } = of;
  metrics.observe("mosaic_listening", "gauge", "Whether changes of grants are told: 1, otherwise 0.", () =>
    Number(revocations.listening),
  );
  metrics.observe(
    "mosaic_crl_expiry_seconds",
    "gauge",
    "Seconds until the newest list of revoked certificates is stale; 0 where there is none.",
    () => (revocations.crlUntil === undefined ? 0 : (revocations.crlUntil.getTime() - Date.now()) / 1_000),
  );
  metrics.observe("mosaic_alerts_open", "gauge", "Open alerts of the whole database.", alerts);
  metrics.observe("mosaic_audit_queue_rows", "gauge", "Audit rows that wait to be written.", () => audit.depth);
  metrics.observe("mosaic_audit_dropped", "counter", "Audit rows that were dropped.", () => audit.dropped);
  metrics.observe("mosaic_requests_waiting", "gauge", "Requests of peers that wait for their turn.", () => {
    return capacity.waiting;
  });
  if (shared !== undefined) {
    metrics.observe("mosaic_valkey_away", "gauge", "Whether Valkey does not count: 1, otherwise 0.", () =>
      Number(shared.away),
    );
  }
  if (stepCa !== undefined) {
    metrics.observe("mosaic_step_ca_away", "gauge", "Whether step-ca does not answer: 1, otherwise 0.", () =>
      Number(stepCa.away),
    );
  }
  metrics.observe(
    "mosaic_certificate_expiry_seconds",
    "gauge",
    "Seconds until the gateway's own certificate ends.",
    () => (certificate().notAfter.getTime() - Date.now()) / 1_000,
  );
  metrics.observe("mosaic_cache_hits", "counter", "Answers from memory.", () => access.cache.stats().hits);
  metrics.observe("mosaic_cache_misses", "counter", "Questions that memory had no answer to.", () => {
    return access.cache.stats().misses;
  });
  metrics.observe("mosaic_cache_bytes", "gauge", "Bytes of answers in memory.", () => access.cache.stats().bytes);
  metrics.observe(
    "mosaic_peer_circuit_open",
    "gauge",
    "Whether a peer is left alone: 0 no, 0.5 while a probe is on its way, 1 yes; of several users, the worst.",
    () => byHost(access, ({ circuit }) => OPENNESS[circuit], Math.max),
  );
  metrics.observe(
    "mosaic_peer_offline_seconds",
    "gauge",
    "For how long a peer has not answered, 0 where it does; of several users, the longest.",
    () => byHost(access, ({ offlineSince }) => secondsSince(offlineSince), Math.max),
  );
  metrics.observe(
    "mosaic_peer_certificate_expiry_seconds",
    "gauge",
    "Seconds until our certificate for a peer ends; of several users, the first.",
    () => byHost(access, ({ certificateUntil }) => (certificateUntil.getTime() - Date.now()) / 1_000, Math.min),
  );
}

const OPENNESS = { closed: 0, "half-open": 0.5, open: 1 } as const;

function secondsSince(time: Date | null): number {
  return time === null ? 0 : Math.max(0, (Date.now() - time.getTime()) / 1_000);
}

/** One reading for each host, of all users' peers there: a label holds no user. */
function byHost(
  { circuits }: PeerAccess,
  valueOf: (peer: PeerHealth) => number,
  worse: (a: number, b: number) => number,
): Reading[] {
  const worst = new Map<string, number>();
  for (const health of circuits.health().values()) {
    const value = valueOf(health);
    worst.set(health.host, worse(worst.get(health.host) ?? value, value));
  }
  return [...worst].map(([peer, value]) => ({ value, labels: { peer } }));
}
