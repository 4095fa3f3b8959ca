// The servers of tier `federated` for development and tests: PostgreSQL with pgvector, Valkey, step-ca and, for their telemetry,
// an OpenTelemetry Collector, on loopback.
// With a Docker engine they are containers of docker-compose.yml; without one they are processes on Debian's programs.
//
//   node scripts/services.ts up|down|status|build|prepare [--json]
//
// "build" makes the programs that "up" needs without Docker, and starts nothing.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lock } from "proper-lockfile";
import { table } from "../cli/output.ts";
import { prepareAuthority, PROVISIONER } from "./services/authority.ts";
import type { AuthorityFiles } from "./services/authority.ts";
import { hasDocker, prepareContainers, startContainers, stopContainers } from "./services/docker.ts";
import { layoutOf, SERVICES } from "./services/layout.ts";
import type { Layout } from "./services/layout.ts";
import { describeCollector, startCollector } from "./services/otel-collector.ts";
import { postgresUrl, startPostgres } from "./services/postgres.ts";
import { stopProcess } from "./services/processes.ts";
import { obtainPrograms } from "./services/programs.ts";
import { createProgress } from "./services/progress.ts";
import type { Progress } from "./services/progress.ts";
import { prepareSecrets } from "./services/secrets.ts";
import type { Passwords } from "./services/secrets.ts";
import { readDescription, statusOf } from "./services/status.ts";
import type { Description, ServiceStatus } from "./services/status.ts";
import { crlUrl, startStepCa, stepCaUrl } from "./services/step-ca.ts";
import { startValkey, valkeyUrl } from "./services/valkey.ts";

// PostgreSQL's fast shutdown (PostgreSQL documentation §18.5); the others know SIGTERM.
const STOP_SIGNAL = {
  postgres: "SIGINT",
  valkey: "SIGTERM",
  "step-ca": "SIGTERM",
  "otel-collector": "SIGTERM",
} as const;

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});
// The servers read some of what is made here as a user of their own; the folder itself lets nobody in.
process.umask(0o022);
const layout = layoutOf(process.env);
// Results go to standard output, progress to standard error.
const progress = createProgress((line) => {
  console.error(line);
});

const [verb] = positionals;
switch (verb) {
  case "up":
    process.exitCode = await alone(() => up(layout, progress));
    break;
  case "down":
    process.exitCode = await alone(() => down(layout, progress));
    break;
  case "build":
    process.exitCode = await alone(() => build(layout, progress));
    break;
  case "prepare":
    process.exitCode = await alone(async () => {
      prepareContainers(layout, (await prepare(layout)).files, process.env["MOSAIC_HOST"]);
      progress.say(`passwords, certificates and ca.json are in ${layout.folder}`);
      return 0;
    });
    break;
  case "status": {
    const status = await statusOf(layout);
    show(status);
    process.exitCode = status.every(({ healthy }) => healthy) ? 0 : 1;
    break;
  }
  default:
    console.error("usage: node scripts/services.ts up|down|status|build|prepare [--json]");
    process.exitCode = 64;
}

/** Two runs on one folder would make everything twice. */
async function alone(work: () => Promise<number>): Promise<number> {
  mkdirSync(layout.folder, { recursive: true, mode: 0o700 });
  const release = await lock(layout.folder, {
    lockfilePath: join(layout.folder, "lock"),
    stale: 15_000,
    retries: { retries: 3_600, minTimeout: 500, maxTimeout: 500 },
  });
  try {
    return await work();
  } finally {
    await release();
  }
}

async function prepare(layout: Layout): Promise<{ passwords: Passwords; files: AuthorityFiles }> {
  const passwords = prepareSecrets(layout);
  return { passwords, files: await prepareAuthority(layout) };
}

async function up(layout: Layout, progress: Progress): Promise<number> {
  const running = await statusOf(layout);
  if (running.every(({ healthy }) => healthy)) {
    progress.say("All services are already running.");
    show(running);
    return 0;
  }
  // What runs is completed in its own way.
  const docker = readDescription(layout.description)?.engine !== "native" && (await hasDocker());
  progress.say(
    docker ? "Starting the services as containers:" : "No Docker engine answers; starting the services natively:",
  );
  const prepared = await progress.step("passwords and certificates", () => prepare(layout));
  if (prepared !== undefined) {
    const all = describe(docker ? "docker" : "native", prepared);
    writeDescription(all);
    if (docker) {
      await upContainers(layout, progress, prepared.files);
    } else {
      await upNative(layout, progress, prepared);
    }
  }
  const status = await statusOf(layout);
  forgetUnhealthy(status);
  show(status);
  return conclude(status, progress);
}

async function upContainers(layout: Layout, progress: Progress, files: AuthorityFiles): Promise<void> {
  await progress.step("docker compose up", async () => {
    prepareContainers(layout, files, undefined);
    await startContainers(layout);
  });
}

async function upNative(
  layout: Layout,
  progress: Progress,
  { passwords, files }: { passwords: Passwords; files: AuthorityFiles },
): Promise<void> {
  const running = await statusOf(layout);
  const missing = (service: string): boolean => !running.some((line) => line.service === service && line.healthy);
  const { debian, stepCa, collector } = await obtainPrograms(layout, progress);
  for (const [service, obtained, start] of [
    ["postgres", debian, () => startPostgres(layout, passwords)],
    ["valkey", debian, () => startValkey(layout, passwords)],
    ["step-ca", stepCa, () => startStepCa(layout, files)],
    ["otel-collector", collector, () => startCollector(layout)],
  ] as const) {
    if (!missing(service)) {
      progress.say(`  ${service}: already running`);
    } else if (obtained) {
      await progress.step(service, async () => {
        // One that runs and does not answer.
        await stopProcess(layout, service, STOP_SIGNAL[service]);
        await start();
      });
    }
  }
}

async function build(layout: Layout, progress: Progress): Promise<number> {
  if (await hasDocker()) {
    progress.say("A Docker engine answers: its images are fetched as the services start.");
    return 0;
  }
  await obtainPrograms(layout, progress);
  for (const { what, why } of progress.faults) {
    progress.say(`  ${what}: ${why}`);
  }
  return progress.faults.length === 0 ? 0 : 1;
}

function describe(
  engine: Description["engine"],
  prepared: { passwords: Passwords; files: AuthorityFiles },
): Description {
  return {
    engine,
    postgres: { url: postgresUrl(layout, prepared.passwords) },
    valkey: { url: valkeyUrl(layout, prepared.passwords) },
    stepCa: { url: stepCaUrl(layout), ...prepared.files, crlUrl: crlUrl(layout), provisioner: PROVISIONER },
    otelCollector: describeCollector(layout),
  };
}

function writeDescription(description: Description): void {
  writeFileSync(layout.description, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
}

/** What could not be had is not described: a test tells by that what it can ask. */
function forgetUnhealthy(status: ServiceStatus[]): void {
  const description = readDescription(layout.description);
  if (description !== undefined) {
    const healthy = (service: string): boolean => status.some((line) => line.service === service && line.healthy);
    const { engine, postgres, valkey, stepCa, otelCollector } = description;
    writeDescription({
      engine,
      ...(postgres !== undefined && healthy("postgres") ? { postgres } : {}),
      ...(valkey !== undefined && healthy("valkey") ? { valkey } : {}),
      ...(stepCa !== undefined && healthy("step-ca") ? { stepCa } : {}),
      ...(otelCollector !== undefined && healthy("otel-collector") ? { otelCollector } : {}),
    });
  }
}

function conclude(status: ServiceStatus[], progress: Progress): number {
  const absent = status.filter(({ healthy }) => !healthy).map(({ service }) => service);
  if (absent.length === 0) {
    progress.say(`All services are running; how to reach them is in ${layout.description}.`);
    return 0;
  }
  progress.say(`Could not be had: ${absent.join(", ")}`);
  for (const { what, why } of progress.faults) {
    progress.say(`  ${what}: ${why}`);
  }
  return 1;
}

async function down(layout: Layout, progress: Progress): Promise<number> {
  const engine = readDescription(layout.description)?.engine;
  if (engine === "docker") {
    await progress.step("docker compose down", () => stopContainers(layout));
  }
  for (const service of SERVICES.toReversed()) {
    await progress.step(`${service}: stop`, async () => {
      const pid = await stopProcess(layout, service, STOP_SIGNAL[service]);
      progress.say(pid === undefined ? `  ${service}: not running` : `  ${service}: process ${pid} ended`);
    });
  }
  for (const { what, why } of progress.faults) {
    progress.say(`  ${what}: ${why}`);
  }
  if (progress.faults.length > 0) {
    return 1;
  }
  rmSync(layout.description, { force: true });
  return 0;
}

function show(status: ServiceStatus[]): void {
  console.log(
    values.json
      ? JSON.stringify(status, null, 2)
      : table(
          ["service", "version", "address", "pid", "healthy"],
          status.map((line) => [
            line.service,
            line.version ?? "-",
            line.address,
            line.pid ?? "-",
            line.healthy ? "yes" : "NO",
          ]),
        ),
  );
}
