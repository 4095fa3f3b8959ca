/** What is open and is to be closed at the end, the last first. */
export interface Closers {
  add(close: () => unknown): void;
  /** Closes all of it, whether or not one of them fails. @throws what the first that failed threw */
  close(): Promise<void>;
}

/** Nothing open yet. */
export function createClosers(): Closers {
  const closers: (() => unknown)[] = [];
  return {
    add: (close) => {
      closers.push(close);
    },
    close: async () => {
      const faults: unknown[] = [];
      for (const close of closers.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          faults.push(error);
        }
      }
      if (faults.length > 0) {
        throw faults[0];
      }
    },
  };
}
