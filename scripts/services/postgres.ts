import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { inDebian } from "./debian.ts";
import { VERSIONS } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { runningPid, startProcess, UNPRIVILEGED, waitUntil } from "./processes.ts";
import { run } from "./run.ts";
import { handOver } from "./secrets.ts";
import type { Passwords } from "./secrets.ts";

const BIN = `/usr/lib/postgresql/${VERSIONS.postgres}/bin`;
const DATA = "/srv/postgres/data";

/** Connection string of the superuser. */
export function postgresUrl(layout: Layout, passwords: Passwords, database = "postgres"): string {
  return `postgres://postgres:${passwords.postgres}@127.0.0.1:${layout.ports.postgres}/${database}`;
}

/** Makes the cluster on the first call and starts the server on loopback. */
export async function startPostgres(layout: Layout, passwords: Passwords): Promise<void> {
  await createCluster(layout);
  const settings = {
    port: layout.ports.postgres,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    // The root folder has no /dev/shm.
    dynamic_shared_memory_type: "mmap",
    password_encryption: "scram-sha-256",
    max_connections: 200,
  };
  const { logFile } = startProcess(layout, "postgres", {
    program: join(layout.rootfs, BIN, "postgres"),
    command: inDebian(layout, [
      `${BIN}/postgres`,
      "-D",
      DATA,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ]),
    cwd: layout.rootfs,
  });
  await waitUntil(async () => (await postgresVersion(postgresUrl(layout, passwords))) !== undefined, {
    alive: () => runningPid(layout, "postgres") !== undefined,
    logFile,
    seconds: 60,
  });
}

async function createCluster(layout: Layout): Promise<void> {
  const home = join(layout.rootfs, "srv/postgres");
  if (existsSync(join(home, "data"))) {
    return;
  }
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o700);
  chownSync(home, UNPRIVILEGED, UNPRIVILEGED);
  // What an interrupted run left is not a cluster: it gets its name when it is complete.
  rmSync(join(home, "data.partial"), { recursive: true, force: true });
  const passwordFile = join(layout.rootfs, "srv/postgres-password");
  handOver(layout, "postgres-password", passwordFile, UNPRIVILEGED);
  try {
    const [program = "", ...args] = inDebian(layout, [
      `${BIN}/initdb`,
      ...["--pgdata", `${DATA}.partial`, "--username", "postgres", "--auth", "scram-sha-256"],
      ...["--pwfile", "/srv/postgres-password", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"],
      ...["-c", "dynamic_shared_memory_type=mmap"],
    ]);
    await run(program, args, { log: join(layout.log, "initdb.log"), timeoutSeconds: 120 });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(join(home, "data.partial"), join(home, "data"));
}

/** Releases of the server and of the pgvector that it can load; undefined where it does not answer. */
export async function postgresVersion(url: string): Promise<{ server: string; pgvector: string | null } | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 3_000, query_timeout: 3_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ server: string; pgvector: string | null }>(
      `select split_part(current_setting('server_version'), ' ', 1) as server,
         (select default_version from pg_available_extensions where name = 'vector') as pgvector`,
    );
    return rows[0];
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}
