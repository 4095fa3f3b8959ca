import { Command, InvalidArgumentError } from "commander";

/** What a run is asked for. */
export interface Options {
  /** Works every measure once with small numbers, judges nothing and writes nothing to docs/. */
  quick: boolean;
  /** Sizes of the tables, the smallest first. */
  rows: number[];
  /** Requests that are measured in each run. */
  requests: number;
  /** Names of measures; empty for all. */
  only: string[];
  /** Whether the report goes to standard output as JSON. */
  json: boolean;
  /** Runs of each contender, one after the other's. */
  rounds: number;
  /** The longest that one run is measured, s. */
  mostSeconds: number;
  /** The same in surveys by connections, teams and rows, which have no target and many runs, s. */
  mostSurveySeconds: number;
}

const FULL = {
  rows: [10_000, 1_000_000, 10_000_000],
  requests: 10_000,
  rounds: 5,
  mostSeconds: 5,
  mostSurveySeconds: 2,
};
const QUICK = { rows: [1_000, 10_000], requests: 30, rounds: 1, mostSeconds: 1, mostSurveySeconds: 1 };

/**
 * Reads the arguments; prints help and ends the process where that is asked for.
 *
 * @param measures names and meanings of those that there are
 */
export function readOptions(argv: readonly string[], measures: ReadonlyMap<string, string>): Options {
  const width = Math.max(...[...measures.keys()].map((name) => name.length));
  const command = new Command("npm run bench --")
    .description(
      "Measures the gateway beside what a user would pick instead, and beside the limit. Numbers are ratios within the run.",
    )
    .option(
      "--quick",
      "work every measure once with small numbers, in under three minutes; judge nothing, write no report",
    )
    .option("--rows <numbers>", `sizes of the tables, with commas between (default: ${FULL.rows.join(",")})`, sizes)
    .option("--requests <n>", `requests measured in each run (default: ${FULL.requests})`, count)
    .option(
      "--only <measure>",
      "this measure; may be given several times",
      (name: string, before: string[]) => {
        if (!measures.has(name)) {
          throw new InvalidArgumentError(`There is ${[...measures.keys()].join(", ")}.`);
        }
        return [...before, name];
      },
      [],
    )
    .option("--json", "print the report as JSON to standard output")
    .addHelpText(
      "after",
      `\nMeasures:\n${[...measures].map(([name, what]) => `  ${name.padEnd(width)}  ${what}`).join("\n")}\n\nThe whole run takes an hour and a half and some 12 GB below .bench/; a report of all measures is written to docs/benchmarks/.`,
    );
  const given = command.parse(argv, { from: "user" }).opts<{
    quick?: true;
    rows?: number[];
    requests?: number;
    only: string[];
    json?: true;
  }>();
  const defaults = given.quick === true ? QUICK : FULL;
  return {
    quick: given.quick === true,
    rows: given.rows ?? defaults.rows,
    requests: given.requests ?? defaults.requests,
    only: given.only,
    json: given.json === true,
    rounds: defaults.rounds,
    mostSeconds: defaults.mostSeconds,
    mostSurveySeconds: defaults.mostSurveySeconds,
  };
}

function sizes(text: string): number[] {
  const numbers = text
    .split(",")
    .map(count)
    .toSorted((a, b) => a - b);
  if (numbers.length < 2) {
    throw new InvalidArgumentError("At least two sizes: some measures compare the largest with the smallest.");
  }
  return numbers;
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new InvalidArgumentError("A whole number above 0.");
  }
  return number;
}
