import { LRUCache } from "lru-cache";
import { before, startDeadline } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";

/** An answer, and how old it is: null where it just came from the peer. */
export interface Cached<T> {
  value: T;
  ageMs: number | null;
}

/** What a cached answer is an answer to. Two questions with the same key have the same answer for the same user. */
export interface CacheQuestion {
  peerId: string;
  /** The certificate that we ask with: another one flushes what there is. */
  certificateSerial: string;
  /** Holds grant, certificate, local user, verb and the hash of the query, resource included; never the query. */
  key: string;
  /** How long the answer is good, ms; 0 for not at all, which still lets equal questions share one request. */
  ttlMs: number;
}

/** How the cache does. */
export interface CacheStats {
  entries: number;
  bytes: number;
  hits: number;
  misses: number;
}

/**
 * Answers of peers, in memory, for a short time.
 *
 * What a flush promises: of an answer that was asked for before it, nothing is served or stored after it. The argument:
 *
 * 1. Each peer has an epoch. `flush` counts it up, and does nothing else that matters: it is one synchronous step.
 * 2. A request to the peer remembers the epoch of its start. When its answer has arrived, one synchronous step compares that epoch with the
 *    peer's and, only where they are equal, stores the answer and gives it to those who wait. No flush can come between the comparison and
 *    the storing. Where they differ, the answer is dropped, and everyone who waited is told so (`Flushed`) instead of given it.
 * 3. Who waits is woken later than the answer arrived, and a flush may come in between. So each compares once more, in the same step in which
 *    it returns.
 * 4. An entry is served only where its epoch is the peer's, so what a flush does not find it still outdates. That it is removed as well frees
 *    its memory.
 * 5. A rotation that another process made shows by the serial that a question brings from the database: the first such question flushes.
 *    A straggler of the certificate before (`flushOf`) flushes nothing of the one that is used since: otherwise each of them would send those
 *    who ask by the new one away again.
 * 6. Who comes after a flush never joins a request from before it: a request that runs is found under the epoch of its start.
 */
export interface ResponseCache {
  /**
   * The answer to a question: from memory, or by `ask`, which equal questions at the same time share.
   *
   * @param deadline how long this caller waits. The request has the deadline of the caller that began it, and ends when nobody waits for it
   *   any more; who joined it and has more time begins another.
   * @throws Flushed where the peer was flushed while the answer was on its way: ask again, as whoever the peer is now
   * @throws what `ask` throws; FederationError DEADLINE_EXCEEDED, CANCELLED
   */
  answer<T>(question: CacheQuestion, deadline: Deadline, ask: (deadline: Deadline) => Promise<T>): Promise<Cached<T>>;
  /** Forgets everything of a peer, and what is on its way from it. */
  flush(peerId: string): void;
  /** The same, unless a question came with another certificate since: then this has been done. */
  flushOf(peerId: string, certificateSerial: string): void;
  stats(): CacheStats;
}

/** The peer was flushed while its answer was on its way. */
export class Flushed extends Error {}

interface Entry {
  peerId: string;
  epoch: number;
  /** JSON: each reader gets an object of its own, and bytes are what they are. */
  body: Buffer;
  askedAt: number;
}

interface Flight {
  epoch: number;
  answer: Promise<unknown>;
  waiting: number;
  deadline: Deadline;
}

/** One answer takes no more than this part of the memory, so that one peer cannot empty it of all others'. */
const SHARES = 4;
/** The cost of an entry beside its body and key, bytes; a guess on the high side. */
const ENTRY_BYTES = 512;

/**
 * @param options.bytes what all entries may take; 0 keeps none
 * @param options.now ms, never set back
 */
export function createResponseCache(options: { bytes: number; now?: () => number }): ResponseCache {
  const now = options.now ?? (() => performance.now());
  const epochs = new Map<string, number>();
  const serials = new Map<string, string>();
  const flights = new Map<string, Flight>();
  const entries =
    options.bytes === 0
      ? undefined
      : new LRUCache<string, Entry>({
          maxSize: options.bytes,
          maxEntrySize: Math.floor(options.bytes / SHARES),
          sizeCalculation: (entry, key) => entry.body.length + 2 * key.length + ENTRY_BYTES,
        });
  let [hits, misses] = [0, 0];

  const flush = (peerId: string): void => {
    epochs.set(peerId, epochOf(peerId) + 1);
    for (const [key, entry] of entries?.entries() ?? []) {
      if (entry.peerId === peerId) {
        entries?.delete(key);
      }
    }
  };
  const epochOf = (peerId: string): number => epochs.get(peerId) ?? 0;

  const takeOff = <T>(question: CacheQuestion, ms: number, ask: (deadline: Deadline) => Promise<T>): Flight => {
    const { peerId, key, ttlMs } = question;
    const epoch = epochOf(peerId);
    // An answer is as old as its question: the peer may have taken its time.
    const askedAt = now();
    const deadline = startDeadline(ms);
    const land = (value: T): T => {
      if (epochOf(peerId) !== epoch) {
        throw new Flushed();
      }
      if (ttlMs > 0) {
        entries?.set(key, { peerId, epoch, body: Buffer.from(JSON.stringify(value)), askedAt });
      }
      return value;
    };
    const flight: Flight = { epoch, answer: ask(deadline).then(land), waiting: 0, deadline };
    flights.set(key, flight);
    const clear = (): void => {
      deadline.end();
      if (flights.get(key) === flight) {
        flights.delete(key);
      }
    };
    flight.answer.then(clear, clear);
    return flight;
  };

  /** A request that nobody waits for is given up, for the reason of whoever waited last: a peer that let it wait too long has failed. */
  const leave = (key: string, flight: Flight, { signal }: Deadline): void => {
    flight.waiting -= 1;
    if (flight.waiting === 0) {
      flight.deadline.cancel(signal.reason);
      if (flights.get(key) === flight) {
        flights.delete(key);
      }
    }
  };

  return {
    answer: async <T>(
      question: CacheQuestion,
      deadline: Deadline,
      ask: (deadline: Deadline) => Promise<T>,
    ): Promise<Cached<T>> => {
      deadline.signal.throwIfAborted();
      const { peerId, certificateSerial, key, ttlMs } = question;
      if (serials.get(peerId) !== certificateSerial) {
        serials.set(peerId, certificateSerial);
        flush(peerId);
      }
      const epoch = epochOf(peerId);
      const entry = entries?.get(key);
      if (entry?.epoch === epoch) {
        const ageMs = now() - entry.askedAt;
        if (ageMs < ttlMs) {
          hits += 1;
          return { value: JSON.parse(entry.body.toString("utf8")) as T, ageMs };
        }
        entries?.delete(key);
      }
      misses += 1;
      for (;;) {
        const running = flights.get(key);
        const joined = running?.epoch === epoch ? running : undefined;
        const flight = joined ?? takeOff(question, deadline.left(), ask);
        flight.waiting += 1;
        try {
          const value = (await before(deadline.signal, flight.answer)) as T;
          if (epochOf(peerId) !== epoch) {
            throw new Flushed();
          }
          return { value, ageMs: null };
        } catch (error) {
          const wasInMoreHurry = joined?.deadline.left() === 0 && !deadline.signal.aborted;
          if (!wasInMoreHurry || epochOf(peerId) !== epoch) {
            throw error;
          }
        } finally {
          leave(key, flight, deadline);
        }
      }
    },
    flush,
    flushOf: (peerId, certificateSerial) => {
      if (serials.get(peerId) === undefined || serials.get(peerId) === certificateSerial) {
        flush(peerId);
      }
    },
    stats: () => ({ entries: entries?.size ?? 0, bytes: entries?.calculatedSize ?? 0, hits, misses }),
  };
}
