import { readFileSync } from "node:fs";
import { cpus, loadavg, totalmem, type as system, release } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { pgbenchVersion } from "../load/pgbench.ts";
import { nginxVersion } from "../peers/nginx.ts";

/** What was measured on, and with what. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  system: string;
  /** How busy it was with everything, over the last minute, when the run began. */
  loadBefore: number;
  versions: Record<string, string>;
}

/** Looks at the machine and the versions of everything that takes part. */
export async function describeMachine(adminUrl: string): Promise<Machine> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>("show server_version");
  await client.end();
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${system()} ${release()}`,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    versions: {
      Node: process.versions.node,
      OpenSSL: process.versions.openssl,
      PostgreSQL: rows[0]?.server_version ?? "unknown",
      pgbench: pgbenchVersion()?.replace(/^pgbench /, "") ?? "absent",
      PostGraphile: versionOf("postgraphile"),
      pg: versionOf("pg"),
      undici: versionOf("undici"),
      nginx: nginxVersion() ?? "absent",
    },
  };
}

function versionOf(name: string): string {
  const file = join(import.meta.dirname, "../../node_modules", name, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
