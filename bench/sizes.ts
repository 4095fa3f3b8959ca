import type { Stage } from "./stage.ts";

/** Teams in scope where a measure says nothing else. */
export const TEAMS = 10;

/** The smallest of the tables. */
export function smallest({ options }: Stage): number {
  return Math.min(...options.rows);
}

/** The second of the tables, in which whoever reads all that a subject may see, and sorts it, has much to do. */
export function second(stage: Stage): number {
  return stage.options.rows[1] ?? smallest(stage);
}

/** The largest of the tables. */
export function largest({ options }: Stage): number {
  return Math.max(...options.rows);
}
