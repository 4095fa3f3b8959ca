import { LRUCache } from "lru-cache";

/** News of a peer that a session is told once. */
export interface Signal {
  /** `federated:<host>` */
  source: string;
  state: "offline" | "online" | "ended";
  message: string;
}

/** What each session knows of its peers. */
export interface Signals {
  /**
   * @param session whatever stands for it
   * @param source `federated:<host>`
   * @returns news, where the session has not been told
   */
  note(session: string, source: string, state: Signal["state"]): Signal | undefined;
}

/** Sessions that are remembered at once; of more, those that were quiet longest are told again. */
const SESSIONS = 10_000;
/** A session that says nothing for so long is over, ms. */
const IDLE_MS = 30 * 60_000;

/** Tells each session once that a peer is offline, once that it is back, and once that it has ended the grant. */
export function createSignals(): Signals {
  const told = new LRUCache<string, Map<string, "offline" | "ended">>({
    max: SESSIONS,
    ttl: IDLE_MS,
    updateAgeOnGet: true,
  });
  return {
    note: (session, source, state) => {
      const known = told.get(session) ?? new Map<string, "offline" | "ended">();
      const host = source.replace(/^federated:/, "");
      if (state === "online") {
        return known.delete(source) ? { source, state, message: `federation back online for ${host}` } : undefined;
      }
      if (known.get(source) === state) {
        return undefined;
      }
      known.set(source, state);
      told.set(session, known);
      return { source, state, message: `federation ${state === "ended" ? "ended by" : "offline for"} ${host}` };
    },
  };
}
