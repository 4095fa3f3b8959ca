import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClosers } from "./closers.ts";
import { gatewayContender } from "./contenders/gateway.ts";
import { handWritten, sameBytes } from "./contenders/peers.ts";
import { pgbench } from "./contenders/pgbench.ts";
import type { Question } from "./contenders/contender.ts";
import type { Load, Sample } from "./load/job.ts";
import { IDLE, readCpuTime } from "./profile/cpu-profile.ts";
import { COUNTING, readCounted, startCounting } from "./profile/statements.ts";
import type { StatementTime } from "./profile/statements.ts";
import { thisMachine } from "./report/machine.ts";
import { requireSameAnswers } from "./same-answers.ts";
import { TEAMS } from "./sizes.ts";
import { openStage } from "./stage.ts";
import { onDatabase } from "./world/gateway.ts";

// Where each millisecond of one `list` goes: the gateway's processor time by V8's profiler, PostgreSQL's by pg_stat_statements, and what the client sees.
// One connection, so that nothing waits for anything else. Prints a page.
//   node bench/profile.ts [requests]
const requests = Number(process.argv[2] ?? 3_000);
const ROWS = 10_000;
const QUESTION: Question = { verb: "list", rows: ROWS, teams: TEAMS };
const LOAD: Load = { connections: 1, requests, mostSeconds: 120 };
/** Functions that are named. */
const FUNCTIONS = 15;
/** By then every request so far is in the audit log, ms. */
const AUDITED_MS = 1_000;
/** Shares of a request below this are not named, ms. */
const LEAST_MS = 0.005;

const log = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const stopping = new AbortController();
process.on("SIGINT", () => {
  stopping.abort(new Error("stopped"));
});
const closers = createClosers();
try {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-profile-"));
  closers.add(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const main = join(import.meta.dirname, "../cli/main.ts");
  const stage = await openStage({
    options: {
      quick: true,
      rows: [ROWS],
      requests,
      only: [],
      json: false,
      rounds: 1,
      mostSeconds: 10,
      mostSurveySeconds: 10,
    },
    ...{ log, signal: stopping.signal, closers, settings: COUNTING },
    mosaic: [process.execPath, "--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${folder}`, main],
    mosaicBuilt: [process.execPath, main],
  });
  const gateway = gatewayContender(stage);
  const [byHand, bytes] = [handWritten(stage), sameBytes(stage, gateway)];
  await requireSameAnswers([gateway, byHand], QUESTION);
  const { databaseUrl } = await stage.loaded(ROWS);
  const peers = {
    "hand-written handler": await byHand.run(QUESTION, LOAD),
    "pgbench, the handler's statements": await pgbench(stage).run(QUESTION, LOAD),
    "a TLS handler that sends the same bytes": await bytes.run(QUESTION, LOAD),
  };
  // Compiled by then, and what is measured is all that is counted.
  const target = await gateway.target(QUESTION);
  await stage.generator.run(target, { ...LOAD, requests: Math.min(requests, 1_000) });
  await sleep(AUDITED_MS);
  const before = await countAsked(databaseUrl);
  await startCounting(databaseUrl);
  const from = monotonicMicroseconds();
  const sample = await stage.generator.run(target, LOAD);
  const to = monotonicMicroseconds();
  const statements = await readCounted(databaseUrl);
  await (await stage.gateway(ROWS)).stop();
  const seconds = (to - from) / 1e6;
  // The generator asks some before it measures: what is counted is of these, too.
  const asked = (await countAsked(databaseUrl)) - before;
  print({ sample, peers, statements, asked, seconds, cpu: readCpuTime(folder, from, to) });
} finally {
  await closers.close();
}

function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** How many requests a gateway has put down. */
async function countAsked(databaseUrl: string): Promise<number> {
  const { rows } = await onDatabase(databaseUrl, (client) =>
    client.query<{ rows: number }>(
      "select count(*)::integer as rows from federation.federation_audit_log where verb = 'list'",
    ),
  );
  return rows[0]?.rows ?? 0;
}

function print(found: {
  sample: Sample;
  peers: Record<string, Sample>;
  statements: StatementTime[];
  asked: number;
  seconds: number;
  cpu: ReturnType<typeof readCpuTime>;
}): void {
  const { sample, peers, statements, asked, seconds, cpu } = found;
  const machine = thisMachine();
  const each = (ms: number): string => (ms / asked).toFixed(3);
  const inPostgres = statements.reduce((sum, { ms }) => sum + ms, 0);
  const idle = cpu.byPart.get(IDLE) ?? 0;
  const busy = [...cpu.byPart].filter(([part]) => part !== IDLE).reduce((sum, [, ms]) => sum + ms, 0);
  const latency = sample.p50;
  const table = (head: string[], rows: string[][]): string =>
    [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  const sorted = (map: Map<string, number>): [string, number][] => [...map].sort(([, a], [, b]) => b - a);
  const limit =
    (peers["pgbench, the handler's statements"]?.p50 ?? 0) +
    (peers["a TLS handler that sends the same bytes"]?.p50 ?? 0);
  process.stdout.write(
    `${[
      "# Where a `list` spends its time",
      `Made by \`npm run bench:profile\`: ${asked} requests for 50 of ${ROWS} rows, ${TEAMS} teams in scope, one connection, in ${seconds.toFixed(1)} s on ${machine.cores} cores of ${machine.cpu}, load before it began ${machine.loadAtStart}. The profiler itself slows the gateway a little. Milliseconds of one request.`,
      "## Side by side",
      table(
        ["", "p50", "p99"],
        Object.entries({ "the gateway": sample, ...peers }).map(([name, { p50, p99 }]) => [
          name,
          p50.toFixed(3),
          p99.toFixed(3),
        ]),
      ),
      "## The gateway",
      table(
        ["part", "ms"],
        [
          ["PostgreSQL: planning and executing", each(inPostgres)],
          ["the gateway's processor time", each(busy)],
          ["the gateway waits for PostgreSQL, the network and the client", each(idle)],
        ],
      ),
      "### PostgreSQL, by statement",
      table(
        ["statement", "a request", "ms"],
        statements
          .filter(({ ms }) => ms / asked >= LEAST_MS)
          .map(({ text, calls, ms }) => [`\`${text.replaceAll("|", "\\|")}\``, (calls / asked).toFixed(2), each(ms)]),
      ),
      "### The gateway's processor time, by part",
      table(
        ["part", "ms"],
        sorted(cpu.byPart)
          .filter(([part, ms]) => part !== IDLE && ms / asked >= LEAST_MS)
          .map(([part, ms]) => [part, each(ms)]),
      ),
      "### By function, its own time",
      table(
        ["function", "ms"],
        sorted(cpu.byFunction)
          .slice(0, FUNCTIONS)
          .map(([name, ms]) => [`\`${name}\``, each(ms)]),
      ),
      "## What remains to the limit",
      `pgbench's ${(peers["pgbench, the handler's statements"]?.p50 ?? 0).toFixed(3)} ms for the same rows and the TLS handler's ${(peers["a TLS handler that sends the same bytes"]?.p50 ?? 0).toFixed(3)} ms for the same bytes make ${limit.toFixed(3)} ms; the gateway takes ${latency.toFixed(3)} ms, ${(latency / limit).toFixed(1)} times that. ${(inPostgres / asked).toFixed(3)} ms are PostgreSQL's, ${(busy / asked).toFixed(3)} ms the gateway's processor; the rest is round trips and the client. Why PostgreSQL's part is more than pgbench's, and what none of the others does at all, is in [the guide](README.md#what-remains-to-the-limit).`,
    ].join("\n\n")}\n`,
  );
}
