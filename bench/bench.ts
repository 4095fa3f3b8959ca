import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { format, resolveConfig } from "prettier";
import { openContestants } from "./contestants.ts";
import type { Contestants } from "./contestants.ts";
import { measureSeries } from "./measure.ts";
import { createServerTls } from "./peers/tls.ts";
import { fullPlan, QUICK } from "./plan.ts";
import { chartOf } from "./report/chart.ts";
import { describeMachine } from "./report/machine.ts";
import { markdownOf } from "./report/markdown.ts";
import { reportOf } from "./report/report.ts";
import { cursorOf } from "./setting/cursor.ts";
import { openServer } from "./setting/server.ts";
import { idsOf, openWork } from "./setting/work.ts";
import { measureAudit } from "./singles/audit.ts";
import { measureHandshakes } from "./singles/handshakes.ts";
import { measureReady } from "./singles/ready.ts";
import { singleTargets, targetsOf } from "./targets.ts";
import type { Measurement } from "./targets.ts";

const HELP = `npm run bench -- [--quick] [--rows 10000,1000000] [--out docs/benchmarks]

  Measures this gateway beside what one would take instead, and beside the limit.
  --quick  everything once, within three minutes, nothing written unless --out is given
  --rows   sizes of the table; those of the report are 10000,1000000,10000000. Loaded once, kept in .cache/bench
  --out    the folder of the report: report.json, README.md, list.svg
`;
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rows: { type: "string", default: "10000,1000000" },
    out: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const plan = values.quick ? QUICK : fullPlan(values.rows.split(",").map(Number));
const out = values.out ?? (values.quick ? undefined : join(import.meta.dirname, "../docs/benchmarks"));
const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

let stopping: (() => Promise<void>) | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    say("stopping");
    void (stopping?.() ?? Promise.resolve()).then(() => server.stop()).finally(() => process.exit(130));
  });
}

const tls = await createServerTls();
const server = await openServer(tls);
const measurements: Measurement[] = [];
let told: Pick<Contestants, "all" | "absent"> = { all: [], absent: {} };
try {
  const machine = await describeMachine(server.url("postgres"));
  for (const rows of new Set(plan.series.map((series) => series.rows))) {
    const work = await openWork(server, rows, say);
    const contestants = await openContestants(server, work, tls);
    told = contestants;
    stopping = () => contestants.close();
    try {
      for (const series of plan.series.filter((one) => one.rows === rows)) {
        say(`${series.title}, ${rows} rows`);
        const ids = await idsOf(work, series.teams);
        const after = series.page === undefined ? undefined : await cursorOf(work, series.teams, series.page);
        measurements.push({ series, results: await measureSeries(series, contestants.all, { ...plan, ids, after }) });
      }
    } finally {
      await contestants.close();
    }
  }
  const small = await openWork(server, 10_000, say);
  say("new connections, audit rows, serve to ready");
  const singles = {
    handshakes: await measureHandshakes(small, tls, plan.rounds),
    auditRowsPerSecond: await measureAudit(small, plan.rounds),
    readySeconds: await measureReady(plan.rounds),
  };
  const targets = [...targetsOf(measurements), ...singleTargets(singles)];
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  const report = reportOf(command, machine, plan, told, measurements, targets);
  const markdown = markdownOf(report, "list.svg");
  process.stdout.write(markdown);
  const [first] = measurements;
  if (out !== undefined && first !== undefined) {
    mkdirSync(out, { recursive: true });
    const style = await resolveConfig(join(out, "README.md"));
    for (const [name, text, parser] of [
      ["report.json", JSON.stringify(report), "json"],
      ["README.md", markdown, "markdown"],
    ] as const) {
      writeFileSync(join(out, name), await format(text, { ...style, parser }));
    }
    writeFileSync(join(out, "list.svg"), chartOf(first));
  }
} finally {
  await server.stop();
}
