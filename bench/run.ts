import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClosers } from "./closers.ts";
import { hasNginx } from "./contenders/nginx.ts";
import { AUDIT } from "./measures/audit.ts";
import { CALLING } from "./measures/calling.ts";
import { GROWTH } from "./measures/growth.ts";
import { GUARD } from "./measures/guard.ts";
import { HANDSHAKES } from "./measures/handshakes.ts";
import { MEMORY } from "./measures/memory.ts";
import { START } from "./measures/start.ts";
import { SURVEYS } from "./measures/surveys.ts";
import { THROUGHPUT } from "./measures/throughput.ts";
import type { Measure } from "./measure.ts";
import { readOptions } from "./options.ts";
import { renderChart } from "./report/chart.ts";
import { thisMachine, versionsOf } from "./report/machine.ts";
import { renderMarkdown } from "./report/markdown.ts";
import { isReached } from "./report/report.ts";
import type { Report } from "./report/report.ts";
import { openStage } from "./stage.ts";
import { countInScope } from "./world/count.ts";

// The gateway beside what a user would pick instead, in one run on one machine. docs/benchmarks/README.md says how to read it.
//   npm run bench -- --help

const ROOT = join(import.meta.dirname, "..");
const REPORT = join(ROOT, "docs/benchmarks");
const MEASURES: readonly Measure[] = [
  ...THROUGHPUT,
  ...GROWTH,
  GUARD,
  ...CALLING,
  HANDSHAKES,
  AUDIT,
  START,
  // The last: it leaves a million audit rows behind.
  MEMORY,
];
const STOPPED_BY_SIGNAL = 130;

const options = readOptions(
  process.argv.slice(2),
  new Map([...MEASURES, ...SURVEYS].map(({ name, what }) => [name, what])),
);
const begun = performance.now();
const log = (line: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(6)} s  ${line}\n`);
};
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    log("stops what runs");
    stopping.abort(new Error("stopped"));
  });
}

const report: Report = {
  day: new Date().toISOString().slice(0, 10),
  seconds: 0,
  options,
  machine: thisMachine(),
  versions: {},
  data: [],
  leftOut: [
    "PostgREST (c): no registry that this project installs from has its binary.",
    ...(hasNginx() ? [] : ["nginx before the hand-written handler (e): nginx is not installed."]),
  ],
  measures: [],
  surveys: [],
  failed: [],
};
const isAsked = ({ name }: { name: string }): boolean => options.only.length === 0 || options.only.includes(name);
const closers = createClosers();
try {
  const stage = await openStage({ options, log, signal: stopping.signal, ...commands(), closers });
  report.versions = await versionsOf(stage.server.url("postgres"));
  const attempt = async (name: string, make: () => Promise<string>): Promise<void> => {
    stopping.signal.throwIfAborted();
    log(name);
    try {
      log(`${name}: ${await make()}`);
    } catch (error) {
      stopping.signal.throwIfAborted();
      report.failed.push({ name, error: withoutPaths(error instanceof Error ? error.message : String(error)) });
      log(`${name} could not be made: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
    }
  };
  for (const { make, ...measure } of MEASURES.filter(isAsked)) {
    await attempt(measure.name, async () => {
      const measured = await make(stage);
      const { target } = measure;
      const judged = options.quick || target === undefined ? {} : { reached: isReached(measured.value, target) };
      report.measures.push({ ...measure, ...measured, ...judged });
      return `${measured.value.toPrecision(3)}${measure.unit === "ratio" ? "" : ` ${measure.unit}`}`;
    });
  }
  for (const { make, ...survey } of SURVEYS.filter(isAsked)) {
    await attempt(survey.name, async () => {
      report.surveys.push({ ...survey, settings: await make(stage) });
      return "made";
    });
  }
  report.data = await countInScope(stage);
  report.seconds = Math.round((performance.now() - begun) / 1_000);
  if (!options.quick && options.only.length === 0) {
    mkdirSync(REPORT, { recursive: true });
    writeFileSync(join(REPORT, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync(join(REPORT, "report.md"), renderMarkdown(report));
    writeFileSync(join(REPORT, "chart.svg"), renderChart(report));
    log("report.json, report.md and chart.svg are written to docs/benchmarks");
  } else if (options.only.length === 0) {
    // What is worked in a quick run is all of it.
    renderChart(report);
  }
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : renderMarkdown(report));
  process.exitCode = report.failed.length === 0 ? 0 : 1;
} catch (error) {
  if (!stopping.signal.aborted) {
    throw error;
  }
  process.exitCode = STOPPED_BY_SIGNAL;
} finally {
  log("stops what it started");
  await closers.close();
}

/** The first line of a message, with files named by their last part: the report says nothing of where it was made. */
function withoutPaths(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/(?:\/[\w.@+-]+)+\/(?=[\w.@+-])/g, "");
}

/** The command from its sources and, unless the run is quick, as it is built for those who install it. */
function commands(): { mosaic: string[]; mosaicBuilt: string[] } {
  const mosaic = [process.execPath, join(ROOT, "cli/main.ts")];
  if (options.quick || !isAsked(START)) {
    return { mosaic, mosaicBuilt: mosaic };
  }
  log("the package is built");
  execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  return { mosaic, mosaicBuilt: [process.execPath, join(ROOT, "dist/main.js")] };
}
