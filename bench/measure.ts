import type { Contender, Question } from "./contenders/contender.ts";
import type { Load, Sample } from "./load/job.ts";
import type { Stage } from "./stage.ts";

/** What a measure is to reach. */
export type Target = { atLeast: number } | { atMost: number };

/** What came of a measure, and all that it comes from. */
export interface Measured {
  /** Of the unit that the measure has. */
  value: number;
  /** Of each contender, one a round. */
  samples: Record<string, Sample[] | number[]>;
  /** What else a reader has to know. */
  notes?: string[];
}

/** One number that is to be found. */
export interface Measure {
  /** For `--only`. */
  name: string;
  what: string;
  unit: "ratio" | "rows/s" | "s";
  target?: Target;
  /** @throws where it could not be made */
  make: (stage: Stage) => Promise<Measured>;
}

/** Numbers side by side, with no target. */
export interface Survey {
  /** For `--only`. */
  name: string;
  what: string;
  /** @throws where it could not be made */
  make: (stage: Stage) => Promise<Surveyed[]>;
}

/** Of one setting what came of each contender, one sample a round. */
export interface Surveyed {
  setting: string;
  samples: Record<string, Sample[]>;
}

/**
 * Runs contenders one after the other, round by round, so that what slows the machine for a while slows all of them.
 *
 * @param rounds where those that the options name are too few
 */
export async function interleave<K extends string, T>(
  stage: Stage,
  contenders: Record<K, (round: number) => Promise<T>>,
  rounds = stage.options.rounds,
): Promise<Record<K, T[]>> {
  const entries = Object.entries(contenders) as [K, (round: number) => Promise<T>][];
  const results = Object.fromEntries(entries.map(([name]) => [name, [] as T[]])) as Record<K, T[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of entries) {
      stage.signal.throwIfAborted();
      results[name].push(await run(round));
    }
  }
  return results;
}

/** The load of a run with so many connections. */
export function loadOf({ options }: Stage, connections: number): Load {
  return { connections, requests: options.requests, mostSeconds: options.mostSeconds };
}

/** Contenders with the same question, interleaved, by name. */
export function compare(
  stage: Stage,
  contenders: readonly Contender[],
  question: Question,
  load: Load,
  rounds?: number,
): Promise<Record<string, Sample[]>> {
  return interleave(
    stage,
    Object.fromEntries(contenders.map((contender) => [contender.name, () => contender.run(question, load)])),
    rounds,
  );
}

/** The middle value; of an even number, the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** The median throughput of runs. */
export function throughput(samples: readonly Sample[] = []): number {
  return median(samples.map(({ perSecond }) => perSecond));
}

/** The median of the runs' median latencies, ms. */
export function p50(samples: readonly Sample[] = []): number {
  return median(samples.map((sample) => sample.p50));
}
