/** Something that is done again and again. */
export interface Repeated {
  /** Does it without waiting for its time: at once, or once what is under way is done. */
  readonly soon: () => void;
  /** No more from now on; comes back once what is under way is done. */
  readonly close: () => Promise<void>;
}

/**
 * Does something now and then every so many ms, until `close`. Never twice at a time, and what takes longer is not made up for: otherwise all
 * that a database kept waiting would be done before a gateway stops.
 *
 * @param work that never throws
 */
export function repeatedly(everyMs: number, work: () => Promise<void>): Repeated {
  let running: Promise<void> | undefined;
  let asked = 0;
  let closed = false;
  const turns = async (): Promise<void> => {
    let answered: number;
    do {
      answered = asked;
      await work();
    } while (answered !== asked && !closed);
    running = undefined;
  };
  const turn = (): void => {
    if (!closed) {
      running ??= turns();
    }
  };
  turn();
  const timer = setInterval(turn, everyMs);
  return {
    soon: () => {
      asked += 1;
      turn();
    },
    close: async () => {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
