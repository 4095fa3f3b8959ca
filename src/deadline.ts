import { FederationError } from "./errors.ts";

/** The header by which a caller says how long it waits, milliseconds from when it is sent: clocks of two hosts are no measure. */
export const TIMEOUT_HEADER = "mosaic-timeout-ms";

/** How long a request may go on, and whether it still should. */
export interface Deadline {
  /** Aborts when the time is up (DEADLINE_EXCEEDED) or it was cancelled; `reason` is that FederationError. */
  readonly signal: AbortSignal;
  /** Milliseconds that are left, 0 at least. */
  left(): number;
  /** Nobody waits any more, or may be answered: CANCELLED, or `why`. Nothing happens after the end. */
  cancel(why?: unknown): void;
  /** Lets go of the timer; what has not aborted never does. To be called when the request has ended, however it did. */
  end(): void;
}

/**
 * Starts the clock of a request.
 *
 * @param ms what it may take
 * @param within a request that this one is part of: it ends no later
 */
export function startDeadline(ms: number, within?: Deadline): Deadline {
  const controller = new AbortController();
  let ended = false;
  const allowed = Math.min(ms, within?.left() ?? ms);
  const endsAt = performance.now() + allowed;
  const follow = (): void => {
    controller.abort(within?.signal.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new FederationError("DEADLINE_EXCEEDED", `There was no answer within ${Math.round(allowed)} ms.`));
  }, allowed);
  if (within?.signal.aborted === true) {
    follow();
  } else {
    within?.signal.addEventListener("abort", follow, { once: true });
  }
  return {
    signal: controller.signal,
    left: () => Math.max(0, endsAt - performance.now()),
    cancel: (why) => {
      if (!ended) {
        controller.abort(why ?? new FederationError("CANCELLED", "The caller hung up."));
      }
    },
    end: () => {
      ended = true;
      clearTimeout(timer);
      within?.signal.removeEventListener("abort", follow);
    },
  };
}

/**
 * What a caller's header asks for, and no more than `most`.
 *
 * @returns milliseconds
 * @throws FederationError BAD_REQUEST where the header is no whole number of milliseconds above 0
 */
export function timeoutOf(header: string | string[] | undefined, most: number): number {
  if (header === undefined) {
    return most;
  }
  if (typeof header !== "string" || !/^[1-9]\d{0,8}$/.test(header)) {
    throw new FederationError("BAD_REQUEST", `${TIMEOUT_HEADER} is a whole number of milliseconds above 0.`);
  }
  return Math.min(Number(header), most);
}

/**
 * What `work` gives, or the deadline's reason where that comes first; the work itself goes on or not as it pleases.
 *
 * @throws FederationError DEADLINE_EXCEEDED, CANCELLED
 */
export async function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  // A loser of the race may fail later, when nobody listens.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    aborted.reject(signal.reason as FederationError);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
