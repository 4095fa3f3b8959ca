/** Something that is done again and again. */
export interface Repeated {
  /** No more from now on; comes back once what is under way is done. */
  readonly close: () => Promise<void>;
}

/**
 * Does something now and then every so many ms, never twice at a time, until `close`.
 *
 * @param work that never throws
 */
export function repeatedly(everyMs: number, work: () => Promise<void>): Repeated {
  let running = work();
  const timer = setInterval(() => {
    running = running.then(work);
  }, everyMs);
  return {
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
