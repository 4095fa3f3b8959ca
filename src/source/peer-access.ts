import type { Logger } from "pino";
import { createCircuits } from "../client/circuit.ts";
import { createPeerConnections } from "../client/peer-connections.ts";
import { createResponseCache } from "../client/response-cache.ts";
import { createRevocationNews } from "../client/revocation-news.ts";
import type { Config } from "../config/schema.ts";
import type { Sessions } from "../database/session.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Keyring } from "../seal/keyring.ts";
import type { PeerAccess } from "./peer-source.ts";
import { setPeerState } from "./peer-state.ts";

/** A peer that got less time than this and did not answer within it has not failed, ms. */
const PATIENCE_MS = 1_000;

/** Opens what a process asks peers by. `close` ends its connections. */
export function openPeerAccess(options: {
  config: Pick<Config, "limits" | "cache" | "circuit">;
  /** Read anew for each peer that is connected to. */
  keyring: () => Keyring;
  sessions: Sessions;
  metrics: Pick<Metrics, "countPeerRequest">;
  log: Pick<Logger, "warn" | "info">;
}): PeerAccess & { close: () => Promise<void> } {
  const { config, keyring, sessions, metrics, log } = options;
  const timeoutMs = config.limits.peerTimeoutMs;
  const connections = createPeerConnections({ keyring, timeoutMs });
  return {
    connections,
    circuits: createCircuits({
      failures: config.circuit.failures,
      cooldownMs: config.circuit.cooldownMs,
      patienceMs: Math.min(PATIENCE_MS, timeoutMs / 2),
      onChange: (peer, isOpen) => {
        log[isOpen ? "warn" : "info"](
          { peer: peer.host },
          isOpen ? "a peer does not answer and is left alone for now" : "a peer answers again",
        );
        setPeerState(sessions, peer, isOpen ? "degraded" : "active").catch((error: unknown) => {
          log.warn({ err: error, peer: peer.host }, "the state of a peer could not be written");
        });
      },
    }),
    cache: createResponseCache({ bytes: config.cache.bytes }),
    news: createRevocationNews(),
    sessions,
    metrics,
    timeoutMs,
    cacheTtlMs: config.cache.ttlSeconds * 1_000,
    close: () => connections.close(),
  };
}
