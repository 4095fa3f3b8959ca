import { FederationError } from "../errors.ts";

/** Runs so much work at a time, and shares it among grants. */
export interface Capacity {
  /**
   * Runs work when it is its turn.
   *
   * @param key whose work it is; keys take turns
   * @param signal gives the place in the queue up
   * @throws FederationError UNAVAILABLE where too many wait, or the turn did not come in time; the signal's reason
   */
  run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

interface Waiter {
  start: () => void;
  refuse: (error: FederationError) => void;
}

/**
 * @param options.concurrency how much runs at once; one key never has all of it
 * @param options.waiting how many may wait, of all keys together; when they are too many, the key with most of them loses its newest
 * @param options.waitMs how long one may wait
 */
export function createCapacity(options: { concurrency: number; waiting: number; waitMs: number }): Capacity {
  const { concurrency, waiting, waitMs } = options;
  const mostOfOne = Math.max(1, concurrency - 1);
  // In the order of their turns: whoever had one goes to the end.
  const queues = new Map<string, Waiter[]>();
  const runningOf = new Map<string, number>();
  let running = 0;
  let waitingNow = 0;

  const isFree = (key: string): boolean => running < concurrency && (runningOf.get(key) ?? 0) < mostOfOne;
  const remove = (key: string, waiter: Waiter): void => {
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
  const count = (key: string, change: 1 | -1): void => {
    running += change;
    const own = (runningOf.get(key) ?? 0) + change;
    if (own === 0) {
      runningOf.delete(key);
    } else {
      runningOf.set(key, own);
    }
  };
  const startNext = (): void => {
    for (const [key, queue] of queues) {
      const [waiter] = queue;
      if (waiter !== undefined && isFree(key)) {
        remove(key, waiter);
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
    remove(longest.key, loser);
    loser.refuse(busy());
  };
  const turn = (key: string, signal: AbortSignal | undefined): Promise<void> => {
    if (signal?.aborted === true) {
      return Promise.reject(signal.reason as FederationError);
    }
    if (isFree(key) && !queues.has(key)) {
      count(key, 1);
      return Promise.resolve();
    }
    makeRoom(key);
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abandon);
        remove(key, waiter);
        then();
      };
      const waiter: Waiter = {
        start: () => {
          count(key, 1);
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
    run: async (key, work, signal) => {
      await turn(key, signal);
      try {
        return await work();
      } finally {
        count(key, -1);
        startNext();
      }
    },
  };
}

function busy(): FederationError {
  return new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 1 });
}
