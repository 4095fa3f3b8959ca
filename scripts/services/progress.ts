/** What could not be had, and why. */
export interface Fault {
  what: string;
  why: string;
}

/** Prints a line for each step and remembers what failed. */
export interface Progress {
  faults: Fault[];
  /** Runs a step and prints how long it took; where it fails, says why and gives nothing. */
  step<T>(what: string, work: () => Promise<T>): Promise<T | undefined>;
  /** A line without a step. */
  say(line: string): void;
}

/** @param write takes one line */
export function createProgress(write: (line: string) => void): Progress {
  const faults: Fault[] = [];
  return {
    faults,
    say: write,
    step: async (what, work) => {
      const started = performance.now();
      const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
      write(`  ${what} …`);
      try {
        const result = await work();
        write(`  ${what}: done (${seconds()})`);
        return result;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        faults.push({ what, why });
        write(`  ${what}: FAILED (${seconds()})`);
        return undefined;
      }
    },
  };
}
