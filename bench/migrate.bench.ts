import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { MoveReport } from "../src/migrate/report.ts";
import { initGateway } from "../src/setup/init.ts";
import { useDatabase } from "../src/setup/use-database.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import { startPostgresServer } from "../test/harness/postgres-server.ts";

// How long `mosaic migrate-to-federated` takes and how much memory it has at its peak, by rows of app.tasks:
//   node bench/migrate.bench.ts [rows …]
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 100_000, 1_000_000];

const server = await startPostgresServer();
const admin = new Client({ connectionString: server.url("postgres") });
await admin.connect();
for (const rows of sizes) {
  process.stdout.write(`${JSON.stringify(await measure(rows))}\n`);
}
await admin.end();
await server.stop();

async function measure(rows: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-bench-"));
  const from = join(folder, "old");
  try {
    await initGateway({
      directory: from,
      config: { version: 2, tier: "local", host: "bench.localhost" },
      sample: true,
      log: () => undefined,
    });
    await fill(from, rows);
    await admin.query(`create database bench_${rows}`);
    const { report, seconds, peakRssMb } = await move(from, server.url(`bench_${rows}`), join(folder, "new"));
    await admin.query(`drop database bench_${rows} with (force)`);
    return {
      rows: report.rows,
      seconds: round(seconds),
      secondsPer100000Rows: round((seconds * 100_000) / report.rows),
      peakRssMb: round(peakRssMb),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fill(directory: string, rows: number): Promise<void> {
  await useDatabase(directory, async ({ adminUrl }) => {
    const client = new Client({ connectionString: adminUrl });
    await client.connect();
    await client.query("insert into app.users (id, name, email) values ('alice', 'Alice', 'alice@bench.localhost')");
    for (let done = 0; done < rows; done += 50_000) {
      await client.query(
        `insert into app.tasks (title, body, due_on, owner_id)
         select 'Task ' || n, repeat('What is to be done. ', 6), date '2026-01-01' + n % 365, 'alice' from generate_series(1, $1::integer) n`,
        [Math.min(50_000, rows - done)],
      );
    }
    await client.end();
  });
}

/** Runs the command in a process of its own and looks every 50 ms at the most memory that it ever had. */
async function move(
  from: string,
  to: string,
  directory: string,
): Promise<{ report: MoveReport; seconds: number; peakRssMb: number }> {
  const started = performance.now();
  const child = spawn(
    MOSAIC[0],
    [MOSAIC[1], "migrate-to-federated", "--from", from, "--to", to, "--dir", directory, "--json"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let peakKb = 0;
  while (child.exitCode === null && child.signalCode === null) {
    peakKb = Math.max(peakKb, peakOf(child.pid ?? 0));
    await sleep(50);
  }
  return {
    report: JSON.parse(output) as MoveReport,
    seconds: (performance.now() - started) / 1000,
    peakRssMb: peakKb / 1024,
  };
}

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    // It has just ended.
    return 0;
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
