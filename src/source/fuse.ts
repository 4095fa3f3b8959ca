import type { Hit } from "./query-source.ts";

/** A hit with its source, and its score in the list of all sources. */
export interface FusedHit extends Hit {
  _source: string;
  score: number;
}

/** What keeps the first places from outweighing all others; the value of the paper below. */
const K = 60;

/**
 * Merges lists of hits by reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): each hit counts by its place in its own list, because
 * the ranks of two databases are no measure of each other. Of equal places the earlier source comes first.
 */
export function fuse(lists: readonly { source: string; hits: readonly Hit[] }[]): FusedHit[] {
  return lists
    .flatMap(({ source, hits }) => hits.map((hit, index) => ({ ...hit, _source: source, score: 1 / (K + index + 1) })))
    .sort((a, b) => b.score - a.score);
}
