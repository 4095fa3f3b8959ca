import type { Verb } from "./load/statements.ts";
import type { Teams } from "./setting/sizes.ts";

/** One thing that is measured of several contestants, in rounds that alternate between them. */
export interface Series {
  title: string;
  rows: number;
  verb: Verb;
  teams: Teams;
  connections: number;
  /** Requests a second; undefined is a closed loop. */
  rate?: number;
  /** Names of contestants; undefined is everybody who can. */
  only?: readonly string[];
}

/** How much is measured. */
export interface Plan {
  rounds: number;
  measureMs: number;
  series: Series[];
}

const MAIN = ["gateway", "hand-written", "hand-written, settings"];
const SMALL = 10_000;

/** What `.ci/run` executes: everything once, within three minutes. */
export const QUICK: Plan = {
  rounds: 1,
  measureMs: 1_000,
  series: [
    { title: "list", rows: SMALL, verb: "list", teams: 10, connections: 8 },
    { title: "get", rows: SMALL, verb: "get", teams: 10, connections: 8 },
    { title: "list, one connection", rows: SMALL, verb: "list", teams: 10, connections: 1, only: MAIN },
    { title: "list, 64 connections", rows: SMALL, verb: "list", teams: 10, connections: 64, only: MAIN },
    { title: "list, 100 a second", rows: SMALL, verb: "list", teams: 10, connections: 64, rate: 100, only: MAIN },
  ],
};

/** What the report is made of. */
export function fullPlan(sizes: readonly number[]): Plan {
  return {
    rounds: 5,
    measureMs: 3_000,
    series: sizes.flatMap((rows): Series[] => [
      { title: "list", rows, verb: "list", teams: 10, connections: 8 },
      { title: "get", rows, verb: "get", teams: 10, connections: 8 },
      { title: "list, one connection", rows, verb: "list", teams: 10, connections: 1 },
      ...(rows === SMALL
        ? ([
            { title: "list, 64 connections", rows, verb: "list", teams: 10, connections: 64 },
            { title: "list, 200 a second", rows, verb: "list", teams: 10, connections: 64, rate: 200 },
          ] satisfies Series[])
        : []),
      { title: "list, 1 team", rows, verb: "list", teams: 1, connections: 8, only: MAIN },
      { title: "list, 100 teams", rows, verb: "list", teams: 100, connections: 8, only: MAIN },
    ]),
  };
}
