import type { Stage } from "./stage.ts";

/** Teams in scope where a measure says nothing else. */
export const TEAMS = 10;

/** The smallest of the tables. */
export function smallest({ options }: Stage): number {
  return Math.min(...options.rows);
}

/** The largest of the tables. */
export function largest({ options }: Stage): number {
  return Math.max(...options.rows);
}
