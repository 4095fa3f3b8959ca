import type { Contestant, Measured } from "./contestants.ts";
import type { Series } from "./plan.ts";

/** What one contestant did in a series: medians over the rounds, and the throughput of each round. */
export interface SeriesResult extends Measured {
  name: string;
  rounds: number[];
}

/**
 * Measures a series: in each round everybody has their turn, so that what else the machine does falls on all alike. Before the first
 * round each has one that does not count.
 */
export async function measureSeries(
  series: Series,
  contestants: readonly Contestant[],
  options: { rounds: number; measureMs: number; ids: string[]; after: string | undefined },
): Promise<SeriesResult[]> {
  const { verb, teams, connections, rate, only } = series;
  const taking = contestants.filter(
    ({ name, verbs, paced }) => verbs.includes(verb) && (rate === undefined || paced) && (only?.includes(name) ?? true),
  );
  const { ids, after } = options;
  const round = {
    ...{ verb, teams, connections, ids },
    ...(rate === undefined ? {} : { rate }),
    ...(after === undefined ? {} : { after }),
  };
  const measured = new Map<string, Measured[]>(taking.map(({ name }) => [name, []]));
  for (let n = -1; n < options.rounds; n += 1) {
    for (const contestant of taking) {
      const result = await contestant.measure({ ...round, measureMs: n < 0 ? 500 : options.measureMs });
      if (n >= 0) {
        measured.get(contestant.name)?.push(result);
      }
    }
  }
  return [...measured].map(([name, results]) => ({
    name,
    throughput: median(results.map(({ throughput }) => throughput)),
    p50: median(results.map(({ p50 }) => p50)),
    p99: results[0]?.p99 === undefined ? undefined : median(results.map(({ p99 = Number.NaN }) => p99)),
    cpuMs: median(results.map(({ cpuMs }) => cpuMs)),
    rounds: results.map(({ throughput }) => Math.round(throughput)),
  }));
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
