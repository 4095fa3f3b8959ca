import type { Measurement } from "../targets.ts";
import type { Report } from "./report.ts";

/** The report for people. */
export function markdownOf(report: Report, chart: string): string {
  const { machine } = report;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return `${[
    "# Measured side by side",
    `\`${report.command}\`, ${report.at.slice(0, 10)}. Medians of ${report.rounds} rounds of ${report.measureMs / 1000} s; in each round everybody has a turn. Numbers of one run compare with each other, and with nothing else: the machine has other work, too.`,
    `![Throughput of list](${chart})`,
    "## Ratios",
    table(
      ["measure", "target", "ratio", ""],
      report.targets.map(({ measure, target, ratio, met }) => [
        measure,
        target,
        format(ratio),
        met ? "met" : "not met",
      ]),
    ),
    ...report.measurements.flatMap(sectionOf),
    "## Who takes part",
    table(
      ["name", "kind", "what it is"],
      report.contestants.map(({ name, kind, what }) => [name, kind, what]),
    ),
    ...Object.entries(report.absent).map(([name, why]) => `Absent: ${name}, for ${why}.`),
    "## On what",
    `${machine.cores} cores (${machine.cpu}), ${machine.memoryGib} GiB, ${machine.system}, shared by load generator, servers and database; load ${machine.loadBefore} when it began.`,
    `${versions.join(", ")}.`,
    "Where a request's time goes: [profile](profile.md). The rows are made by `bench/setting/work.sql`; mutual TLS 1.3, P-256; pages have 50 rows; each server has 10 database connections.",
  ].join("\n\n")}\n`;
}

function sectionOf({ series, results }: Measurement): string[] {
  const { title, rows, teams, connections, rate } = series;
  const gateway = results.find(({ name }) => name === "gateway")?.throughput;
  return [
    `## ${title}: ${rows.toLocaleString("en").replaceAll(",", " ")} rows`,
    `${connections} connection${connections === 1 ? "" : "s"}, ${teams} team${teams === 1 ? "" : "s"} in scope, ${rate === undefined ? "closed loop" : `${rate} requests a second, waiting counted`}.`,
    table(
      ["", "a second", "p50, ms", "p99, ms", "CPU ms each", "gateway / it"],
      results.map(({ name, throughput, p50, p99, cpuMs }) => [
        name,
        format(throughput),
        // In a round that is shorter than a request nothing was answered.
        throughput === 0 ? "" : format(p50),
        p99 === undefined || throughput === 0 ? "" : format(p99),
        format(cpuMs),
        gateway === undefined || rate !== undefined || throughput === 0 ? "" : format(gateway / throughput),
      ]),
    ),
  ];
}

function table(head: string[], lines: string[][]): string {
  const row = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n");
}

/** Three digits that count. */
function format(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
