import { LRUCache } from "lru-cache";

/** Peers that something is kept of at once; of more, those that were quiet longest begin anew. */
const MOST_PEERS = 10_000;
/** For how long it is kept of a peer that nobody asks, or that was removed, ms. */
const IDLE_MS = 60 * 60_000;

/**
 * What a process keeps of each peer, by its id. What is kept of a peer that was removed, or that nobody asks any more, leaves memory by itself.
 *
 * @param dispose called with what is not kept any more
 */
export function createPerPeer<T extends object>(dispose?: (kept: T) => void): LRUCache<string, T> {
  return new LRUCache<string, T>({
    max: MOST_PEERS,
    ttl: IDLE_MS,
    updateAgeOnGet: true,
    ttlAutopurge: true,
    ...(dispose === undefined ? {} : { dispose }),
  });
}
