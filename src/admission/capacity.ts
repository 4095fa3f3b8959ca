import { FederationError } from "../errors.ts";

/** Whose work it is. */
export interface Claimant {
  grant: string;
  /** The organisation that the grant is of: it may have many. */
  peer: string;
}

/** Runs so much work at a time, and shares it among grants and among the organisations that have them. */
export interface Capacity {
  /**
   * Runs work when it is its turn.
   *
   * @param who whose work it is; grants take turns
   * @param signal gives the place in the queue up
   * @throws FederationError UNAVAILABLE where too many wait, or the turn did not come in time; the signal's reason
   */
  run<T>(who: Claimant, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** How much waits for its turn. */
  readonly waiting: number;
}

interface Waiter {
  who: Claimant;
  start: () => void;
  refuse: (error: FederationError) => void;
}

/**
 * @param options.concurrency how much runs at once, 2 at least: one place is left by all grants of a peer together, and one more by each grant
 *   where there are more than two
 * @param options.waiting how many may wait, of all grants together; when they are too many, the grant with most of them loses its newest
 * @param options.waitMs how long one may wait
 */
export function createCapacity(options: { concurrency: number; waiting: number; waitMs: number }): Capacity {
  const { concurrency, waiting, waitMs } = options;
  const mostOfPeer = Math.max(1, concurrency - 1);
  const mostOfGrant = Math.max(1, concurrency - 2);
  // In the order of their turns: whoever had one goes to the end.
  const queues = new Map<string, Waiter[]>();
  const runningOfGrant = new Map<string, number>();
  const runningOfPeer = new Map<string, number>();
  let running = 0;
  let waitingNow = 0;

  const isFree = ({ grant, peer }: Claimant): boolean =>
    running < concurrency &&
    (runningOfGrant.get(grant) ?? 0) < mostOfGrant &&
    (runningOfPeer.get(peer) ?? 0) < mostOfPeer;
  const remove = (waiter: Waiter): void => {
    const key = waiter.who.grant;
    const queue = queues.get(key) ?? [];
    const index = queue.indexOf(waiter);
    if (index >= 0) {
      queue.splice(index, 1);
      waitingNow -= 1;
    }
    if (queue.length === 0) {
      queues.delete(key);
    }
  };
  const count = ({ grant, peer }: Claimant, change: 1 | -1): void => {
    running += change;
    add(runningOfGrant, grant, change);
    add(runningOfPeer, peer, change);
  };
  const startNext = (): void => {
    for (const [key, queue] of queues) {
      const [waiter] = queue;
      if (waiter !== undefined && isFree(waiter.who)) {
        remove(waiter);
        const rest = queues.get(key);
        if (rest !== undefined) {
          queues.delete(key);
          queues.set(key, rest);
        }
        waiter.start();
        return;
      }
    }
  };
  const makeRoom = (key: string): void => {
    if (waitingNow < waiting) {
      return;
    }
    let longest = { key, length: (queues.get(key)?.length ?? 0) + 1 };
    for (const [other, queue] of queues) {
      if (queue.length > longest.length) {
        longest = { key: other, length: queue.length };
      }
    }
    const loser = longest.key === key ? undefined : queues.get(longest.key)?.at(-1);
    if (loser === undefined) {
      throw busy();
    }
    remove(loser);
    loser.refuse(busy());
  };
  const turn = (who: Claimant, signal: AbortSignal | undefined): Promise<void> => {
    if (signal?.aborted === true) {
      return Promise.reject(signal.reason as FederationError);
    }
    const key = who.grant;
    if (isFree(who) && !queues.has(key)) {
      count(who, 1);
      return Promise.resolve();
    }
    makeRoom(key);
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abandon);
        remove(waiter);
        then();
      };
      const waiter: Waiter = {
        who,
        start: () => {
          count(who, 1);
          settle(resolve);
        },
        refuse: (error) => {
          settle(() => {
            reject(error);
          });
        },
      };
      const abandon = (): void => {
        waiter.refuse(signal?.reason as FederationError);
      };
      const timer = setTimeout(() => {
        waiter.refuse(busy());
      }, waitMs);
      signal?.addEventListener("abort", abandon, { once: true });
      queues.set(key, [...(queues.get(key) ?? []), waiter]);
      waitingNow += 1;
    });
  };
  return {
    run: async (who, work, signal) => {
      await turn(who, signal);
      try {
        return await work();
      } finally {
        count(who, -1);
        startNext();
      }
    },
    get waiting() {
      return waitingNow;
    },
  };
}

function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + change;
  if (now === 0) {
    counts.delete(key);
  } else {
    counts.set(key, now);
  }
}

function busy(): FederationError {
  return new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 1 });
}
