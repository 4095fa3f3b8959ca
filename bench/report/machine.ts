import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { onDatabase } from "../world/gateway.ts";

/** What it ran on; nothing by which the machine would be known. */
export interface Machine {
  cores: number;
  cpu: string;
  memoryGb: number;
  kernel: string;
  /** Processes that ran or waited to run when it began, on average of a minute. */
  loadAtStart: number;
}

/** Versions of what was measured, and of what measured; a program that is not there is null. */
export type Versions = Record<string, string | null>;

/** This machine, as it is now. */
export function thisMachine(): Machine {
  const all = cpus();
  return {
    cores: all.length,
    cpu: all[0]?.model.trim() ?? "unknown",
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    loadAtStart: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** @param serverUrl of the PostgreSQL that all read */
export async function versionsOf(serverUrl: string): Promise<Versions> {
  const { rows } = await onDatabase(serverUrl, (client) =>
    client.query<{ version: string }>("select current_setting('server_version') as version"),
  );
  return {
    gateway: packageVersion(join(import.meta.dirname, "../../package.json")),
    commit: firstMatch("git", ["rev-parse", "--short=12", "HEAD"], /^(\w+)/),
    node: process.version,
    "node's OpenSSL": process.versions.openssl,
    postgresql: rows[0]?.version ?? null,
    postgraphile: installedVersion("postgraphile"),
    pg: installedVersion("pg"),
    undici: installedVersion("undici"),
    pgbench: firstMatch("pgbench", ["--version"], /([\d.]+)/),
    nginx: firstMatch("nginx", ["-v"], /nginx\/([\d.]+)/),
    openssl: firstMatch("openssl", ["version"], /OpenSSL ([\w.]+)/),
  };
}

function packageVersion(file: string): string | null {
  return (JSON.parse(readFileSync(file, "utf8")) as { version?: string }).version ?? null;
}

function installedVersion(name: string): string | null {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const folder of folders) {
    try {
      return packageVersion(join(folder, name, "package.json"));
    } catch {
      // Not in this folder: the next one.
    }
  }
  return null;
}

function firstMatch(program: string, args: string[], pattern: RegExp): string | null {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", cwd: import.meta.dirname });
  return error === undefined ? (pattern.exec(stdout + stderr)?.[1] ?? null) : null;
}
