import type { Sample } from "../load/job.ts";
import { median } from "../measure.ts";
import type { Target } from "../measure.ts";
import type { MeasureReport, Report, SurveyReport } from "./report.ts";

/** The report as a page. */
export function renderMarkdown(report: Report): string {
  const { machine, versions, options, data } = report;
  const isWhole = !options.quick && options.only.length === 0;
  const parts = [
    "# Benchmark report",
    options.quick
      ? "A quick run: every measure worked once with small numbers. Its times say nothing."
      : isWhole
        ? `Made by \`npm run bench\` on ${report.day}. [How to read it, and how to run it](README.md); raw samples are in [report.json](report.json).`
        : `Made on ${report.day}, of some of the measures; with \`--json\`, every sample is printed.`,
    ...(isWhole ? ["![Each measure beside its target, and list by connections](chart.svg)"] : []),
    "## Against the targets",
    measureTable(report.measures, options.quick),
    ...notesOf(report.measures),
    ...report.surveys.flatMap((survey) => [`## ${survey.name}`, sentence(survey.what), surveyTable(survey)]),
    ...(report.failed.length === 0
      ? []
      : ["## Not made", list(report.failed.map(({ name, error }) => `${name}: ${error}`))]),
    ...(report.leftOut.length === 0 ? [] : ["## Left out", list(report.leftOut)]),
    "## Machine, versions, data",
    list([
      `${machine.cores} cores, ${machine.cpu}; ${machine.memoryGb} GiB of memory; ${machine.kernel}; load before it began: ${machine.loadAtStart}`,
      `The gateway, its peers, PostgreSQL and the load generator share these cores.`,
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version ?? "(not there)"}`)
        .join(", "),
      ...data.map(
        ({ rows, inScope }) =>
          `${number(rows)} rows, of which the subject may see, within the scope: ${Object.entries(inScope)
            .map(([teams, count]) => `${number(count)} with ${teams} teams`)
            .join(", ")}`,
      ),
      `${options.rounds} runs of each contender, one after the other's; of each at most ${number(options.requests)} requests and ${options.mostSeconds} s, in surveys by connections, teams and rows ${options.mostSurveySeconds} s; ${Math.round(report.seconds / 60)} minutes in all`,
    ]),
    "## Commands",
    "```sh\n" +
      [
        "npm run bench --",
        ...(options.quick ? ["--quick"] : []),
        `--rows ${options.rows.join(",")} --requests ${options.requests}`,
        ...options.only.map((name) => `--only ${name}`),
      ].join(" ") +
      "\n```",
  ];
  return `${parts.join("\n\n")}\n`;
}

function measureTable(measures: readonly MeasureReport[], quick: boolean): string {
  return table(
    ["measure", "what", "target", "measured", "lowest to highest run", quick ? "" : "reached"],
    measures.map((measure) => [
      measure.name,
      measure.what,
      targetText(measure.target),
      `${number(measure.value)}${measure.unit === "ratio" ? "" : ` ${measure.unit}`}`,
      Object.entries(measure.samples)
        .slice(0, 2)
        .map(([name, samples]) => `${name}: ${spread(samples)}`)
        .join("; "),
      measure.reached === undefined ? "" : measure.reached ? "yes" : "**no**",
    ]),
  );
}

function targetText(target: Target | undefined): string {
  return target === undefined ? "" : "atLeast" in target ? `≥ ${number(target.atLeast)}` : `≤ ${number(target.atMost)}`;
}

/** From the lowest to the highest run; of requests, by their throughput. */
function spread(samples: readonly (Sample | number)[]): string {
  const values = samples.map((sample) => (typeof sample === "number" ? sample : sample.perSecond));
  const unit = typeof samples[0] === "number" ? "" : "/s";
  return `${number(Math.min(...values))} to ${number(Math.max(...values))}${unit}`;
}

function notesOf(measures: readonly MeasureReport[]): string[] {
  const notes = measures.flatMap(({ name, notes = [] }) => notes.map((note) => `${name}: ${note}`));
  return notes.length === 0 ? [] : [list(notes)];
}

function surveyTable({ settings }: SurveyReport): string {
  return table(
    ["", "", "requests a second", "p50, ms", "p90, ms", "p99, ms"],
    settings.flatMap(({ setting, samples }) =>
      Object.entries(samples).map(([name, runs]) => [
        setting,
        name,
        ...(["perSecond", "p50", "p90", "p99"] as const).map((key) => number(median(runs.map((run) => run[key])))),
      ]),
    ),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Three digits that count; thousands apart by a space. */
function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return String(Number(value.toFixed(digits))).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
}
