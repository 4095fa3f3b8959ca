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
  /** Which page is asked for, by its cursor; undefined is the first. */
  page?: number;
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
    measureMs: 1_000,
    series: sizes.flatMap((rows) => (rows === SMALL ? smallSeries() : largeSeries(rows))),
  };
}

function smallSeries(): Series[] {
  const rows = SMALL;
  return [
    { title: "list", rows, verb: "list", teams: 10, connections: 8 },
    { title: "get", rows, verb: "get", teams: 10, connections: 8 },
    { title: "list, one connection", rows, verb: "list", teams: 10, connections: 1, only: MAIN },
    { title: "list, 64 connections", rows, verb: "list", teams: 10, connections: 64, only: MAIN },
    { title: "list, 100 a second", rows, verb: "list", teams: 10, connections: 64, rate: 100, only: MAIN },
    { title: "list, 1 team", rows, verb: "list", teams: 1, connections: 8, only: MAIN },
    { title: "list, 100 teams", rows, verb: "list", teams: 100, connections: 8, only: MAIN },
  ];
}

/** Where most peers take seconds for a page, only what is compared is measured. Beyond this they take minutes for a round. */
const MOST_FOR_PEERS = 1_000_000;

function largeSeries(rows: number): Series[] {
  const gateway = ["gateway"];
  return [
    { title: "list, one connection", rows, verb: "list", teams: 10, connections: 1, only: gateway },
    { title: "list, one connection, 100 teams", rows, verb: "list", teams: 100, connections: 1, only: gateway },
    {
      title: "list, page 1 000, 100 teams",
      rows,
      verb: "list",
      teams: 100,
      connections: 1,
      only: gateway,
      page: 1_000,
    },
    ...(rows > MOST_FOR_PEERS
      ? []
      : ([
          { title: "list", rows, verb: "list", teams: 10, connections: 8, only: [...MAIN, "stock PostGraphile"] },
          {
            title: "list, 100 teams",
            rows,
            verb: "list",
            teams: 100,
            connections: 8,
            only: [...MAIN, "stock PostGraphile"],
          },
        ] satisfies Series[])),
  ];
}
