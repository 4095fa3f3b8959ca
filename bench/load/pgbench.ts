import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** pgbench's version, or undefined where it is not installed. */
export function pgbenchVersion(): string | undefined {
  try {
    return execFileSync("pgbench", ["--version"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

/** What pgbench measured. */
export interface PgbenchResult {
  transactions: number;
  /** Transactions a second. */
  throughput: number;
  /** Mean, ms. */
  latency: number;
}

/**
 * Runs a script of statements by pgbench, prepared, as fast as they go.
 *
 * @param options.env for libpq, beside what the connection string says
 */
export async function runPgbench(options: {
  url: string;
  script: string;
  connections: number;
  seconds: number;
  env?: Record<string, string>;
}): Promise<PgbenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-pgbench-"));
  try {
    const file = join(folder, "script.sql");
    writeFileSync(file, options.script);
    const { connections, seconds } = options;
    const { stdout } = await promisify(execFile)(
      "pgbench",
      [
        ...["--no-vacuum", "--protocol=prepared", `--client=${connections}`, `--jobs=${Math.min(2, connections)}`],
        ...[`--time=${seconds}`, `--file=${file}`, options.url],
      ],
      { env: { ...process.env, ...options.env } },
    );
    const throughput = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (!(throughput > 0)) {
      throw new Error(`pgbench measured nothing: ${stdout}`);
    }
    const transactions = Number(/actually processed: (\d+)/.exec(stdout)?.[1]);
    return { transactions, throughput, latency: Number(/latency average = ([\d.]+)/.exec(stdout)?.[1]) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
