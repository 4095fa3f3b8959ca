import type { Contestants } from "../contestants.ts";
import type { Plan } from "../plan.ts";
import type { Measurement, Target } from "../targets.ts";
import type { Machine } from "./machine.ts";

/** All that a run says. */
export interface Report {
  at: string;
  command: string;
  machine: Machine;
  rounds: number;
  measureMs: number;
  contestants: { name: string; kind: string; what: string }[];
  absent: Record<string, string>;
  measurements: Measurement[];
  targets: Target[];
}

/** Puts a run's parts together. */
export function reportOf(
  command: string,
  machine: Machine,
  plan: Plan,
  { all, absent }: Pick<Contestants, "all" | "absent">,
  measurements: Measurement[],
  targets: Target[],
): Report {
  return {
    at: new Date().toISOString(),
    command,
    machine,
    rounds: plan.rounds,
    measureMs: plan.measureMs,
    contestants: all.map(({ name, kind, what }) => ({ name, kind, what })),
    absent,
    measurements,
    targets,
  };
}
