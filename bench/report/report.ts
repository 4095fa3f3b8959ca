import type { Measured, Surveyed, Target } from "../measure.ts";
import type { Options } from "../options.ts";
import type { Machine, Versions } from "./machine.ts";

/** What came of a run. */
export interface Report {
  /** The day, as ISO 8601 has it. */
  day: string;
  seconds: number;
  options: Options;
  machine: Machine;
  versions: Versions;
  /** Of each size the rows that the subject may see within the scope, by teams in it. */
  data: { rows: number; inScope: Record<string, number> }[];
  /** Peers that are not there, and why. */
  leftOut: string[];
  measures: MeasureReport[];
  surveys: SurveyReport[];
  failed: { name: string; error: string }[];
}

/** One measure. */
export interface MeasureReport extends Measured {
  name: string;
  what: string;
  unit: string;
  target?: Target;
  /** Absent where there is no target, and in quick runs, which judge nothing. */
  reached?: boolean;
}

/** One survey. */
export interface SurveyReport {
  name: string;
  what: string;
  settings: Surveyed[];
}

/** Whether a value is what its target asks for. */
export function isReached(value: number, target: Target): boolean {
  return "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
}
