import type { SeriesResult } from "./measure.ts";
import type { Series } from "./plan.ts";

/** A series with what was measured. */
export interface Measurement {
  series: Series;
  results: SeriesResult[];
}

/** A ratio that is aimed at. */
export interface Target {
  measure: string;
  /** For people, for example `≥ 1.2`. */
  target: string;
  ratio: number;
  met: boolean;
}

/** What is measured once a run, apart from the series. */
export interface Singles {
  handshakes: { gateway: number; openssl: number };
  auditRowsPerSecond: number;
  readySeconds: number;
}

/** Those beside what they are to be. */
export function singleTargets({ handshakes, auditRowsPerSecond, readySeconds }: Singles): Target[] {
  const connections = handshakes.gateway / handshakes.openssl;
  return [
    {
      measure: "new mTLS connections a second / openssl s_server's",
      target: "≥ 0.5",
      ratio: connections,
      met: connections >= 0.5,
    },
    {
      measure: "audit rows a second, one gateway",
      target: "≥ 20 000",
      ratio: auditRowsPerSecond,
      met: auditRowsPerSecond >= 20_000,
    },
    { measure: "serve to ready, tier local, seconds", target: "≤ 2", ratio: readySeconds, met: readySeconds <= 2 },
  ];
}

/** The ratios that this run can tell, beside what they are to be. */
export function targetsOf(measurements: readonly Measurement[]): Target[] {
  const valueOf = (title: string, rows: number, name: string, field: "throughput" | "p50"): number | undefined =>
    measurements
      .find(({ series }) => series.title === title && series.rows === rows)
      ?.results.find((result) => result.name === name)?.[field];
  const ratio = (measure: string, above: number | undefined, below: number | undefined, least: number): Target[] =>
    above === undefined || below === undefined
      ? []
      : [{ measure, target: `≥ ${least}`, ratio: above / below, met: above / below >= least }];
  const throughput = (title: string, name: string, rows = 10_000): number | undefined =>
    valueOf(title, rows, name, "throughput");
  return [
    ...ratio(
      "list, throughput / hand-written, 8 connections, 10 000 rows",
      throughput("list", "gateway"),
      throughput("list", "hand-written"),
      1.2,
    ),
    ...ratio(
      "list, throughput / hand-written with policies that believe settings",
      throughput("list", "gateway"),
      throughput("list", "hand-written, settings"),
      1.2,
    ),
    ...ratio(
      "list, throughput / pgbench with the hand-written handler's statements",
      throughput("list", "gateway"),
      throughput("list", "pgbench"),
      0.6,
    ),
    ...ratio(
      "list, throughput / the fastest pgbench",
      throughput("list", "gateway"),
      fastest(["pgbench", "pgbench, settings", "pgbench, verbs"].map((name) => throughput("list", name))),
      0.6,
    ),
    ...ratio(
      "get, throughput / hand-written, 8 connections, 10 000 rows",
      throughput("get", "gateway"),
      throughput("get", "hand-written"),
      1.2,
    ),
    ...ratio(
      "get, throughput / hand-written with policies that believe settings",
      throughput("get", "gateway"),
      throughput("get", "hand-written, settings"),
      1.2,
    ),
    ...ratio(
      "list, throughput / stock PostGraphile, 1 000 000 rows",
      throughput("list", "gateway", 1_000_000),
      throughput("list", "stock PostGraphile", 1_000_000),
      50,
    ),
    ...atMost(
      "list, page 1 000 by cursor, p50 / the first page's, 1 000 000 rows, 100 teams",
      valueOf("list, page 1 000, 100 teams", 1_000_000, "gateway", "p50"),
      valueOf("list, one connection, 100 teams", 1_000_000, "gateway", "p50"),
      1.2,
    ),
    ...atMost(
      "list, first page, p50 at 1 000 000 rows / at 10 000 rows",
      valueOf("list, one connection", 1_000_000, "gateway", "p50"),
      valueOf("list, one connection", 10_000, "gateway", "p50"),
      1.2,
    ),
    ...atMost(
      "list, first page, p50 at 10 000 000 rows / at 10 000 rows",
      valueOf("list, one connection", 10_000_000, "gateway", "p50"),
      valueOf("list, one connection", 10_000, "gateway", "p50"),
      1.2,
    ),
  ];
}

function atMost(measure: string, above: number | undefined, below: number | undefined, most: number): Target[] {
  return above === undefined || below === undefined
    ? []
    : [{ measure, target: `≤ ${most}`, ratio: above / below, met: above / below <= most }];
}

function fastest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
