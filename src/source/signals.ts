import { LRUCache } from "lru-cache";

/** News of a peer that a session is told once. */
export interface Signal {
  /** `federated:<host>` */
  source: string;
  state: "offline" | "online";
  message: string;
}

/** What each session knows of its peers. */
export interface Signals {
  /**
   * @param session whatever stands for it
   * @param source `federated:<host>`
   * @returns news, where the session has not been told
   */
  note(session: string, source: string, online: boolean): Signal | undefined;
}

/** Sessions that are remembered at once; of more, those that were quiet longest are told again. */
const SESSIONS = 10_000;
/** A session that says nothing for so long is over, ms. */
const IDLE_MS = 30 * 60_000;

/** Tells each session once that a peer is offline, and once that it is back. */
export function createSignals(): Signals {
  const offline = new LRUCache<string, Set<string>>({ max: SESSIONS, ttl: IDLE_MS, updateAgeOnGet: true });
  return {
    note: (session, source, online) => {
      const known = offline.get(session) ?? new Set<string>();
      const host = source.replace(/^federated:/, "");
      if (online) {
        return known.delete(source)
          ? { source, state: "online", message: `federation back online for ${host}` }
          : undefined;
      }
      if (known.has(source)) {
        return undefined;
      }
      known.add(source);
      offline.set(session, known);
      return { source, state: "offline", message: `federation offline for ${host}` };
    },
  };
}
