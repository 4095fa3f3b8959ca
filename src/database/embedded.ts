import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { FederationError } from "../errors.ts";

/** Where the embedded database keeps its files and where it listens. */
export interface EmbeddedOptions {
  dataFolder: string;
  /** Mode 0700: whoever reaches the socket is a superuser of the database. */
  socketFolder: string;
}

/** The embedded database (PGlite) while it runs. */
export interface Embedded {
  connectionString: string;
  /** Settles when the database has ended, whether asked to or not. */
  ended: Promise<void>;
  /** Told the payload of each NOTIFY of a change of grants, from its commit on. */
  onNotice(listener: (payload: string) => void): void;
  /**
   * The statements by which pg_dump makes the database's schema again: before its rows, or after them. To be called while nobody is
   * connected, because pg_dump takes the one backend without waiting.
   */
  dumpSchema(section: DumpSection): Promise<string>;
  close(): Promise<void>;
}

/** What stands before rows (schemas, types, functions, tables) and after them (indexes, constraints, triggers, policies). */
export type DumpSection = "pre-data" | "post-data";

/** What the worker answers to a request for a dump. */
export type DumpAnswer = { dump: string } | { fault: string };

/** What the worker says. A notice is the payload of a NOTIFY. */
export type EmbeddedMessage = "ready" | DumpAnswer | { notice: string };

/** The file name by which libpq and pg find a server in a folder (PostgreSQL documentation, libpq, `host`). */
const SOCKET_NAME = ".s.PGSQL.5432";

// The address of a Unix socket has room for 108 bytes on Linux and 104 on macOS, its closing zero among them.
const LONGEST_SOCKET_PATH = 103;

/**
 * The folder of a gateway's database socket: `run` in its directory or, where that path is too long for a socket, one of ours in
 * the system's temporary folder, the same each time.
 */
export function socketFolder(directory: string): string {
  const folder = join(directory, "run");
  if (Buffer.byteLength(join(folder, SOCKET_NAME)) <= LONGEST_SOCKET_PATH) {
    return folder;
  }
  const name = createHash("sha256").update(realpathSync(directory)).digest("hex").slice(0, 16);
  return join(tmpdir(), `mosaic-${name}`);
}

/** How pg and psql reach a database that listens in a folder. */
export function socketConnectionString(folder: string): string {
  return `postgres://postgres@/postgres?host=${encodeURIComponent(folder)}`;
}

/**
 * Starts the embedded database on its files, making them where there are none (some seconds). The caller holds the lock of the
 * directory: two processes on the same files would destroy them.
 *
 * @throws FederationError UNAVAILABLE where it does not start, CONFIG_INVALID where the socket's folder is somebody else's
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  for (const folder of [options.dataFolder, options.socketFolder]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  // The embedded database takes a folder as it is; a real server would refuse one that others can read.
  chmodSync(options.dataFolder, 0o700);
  const folder = lstatSync(options.socketFolder);
  if (!folder.isDirectory() || (folder.mode & 0o077) !== 0 || folder.uid !== (process.getuid?.() ?? folder.uid)) {
    throw new FederationError(
      "CONFIG_INVALID",
      `${options.socketFolder} must be a folder that only you can open: run "chmod 700 ${options.socketFolder}"`,
    );
  }
  const socketFile = join(options.socketFolder, SOCKET_NAME);
  rmSync(socketFile, { force: true });
  const worker = new Worker(new URL(`./embedded.worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url), {
    workerData: { ...options, socketFile },
  });
  const ended = new Promise<void>((resolve) =>
    worker.once("exit", () => {
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    const fail = (cause?: unknown): void => {
      reject(
        new FederationError("UNAVAILABLE", `the embedded database in ${options.dataFolder} does not start`, { cause }),
      );
    };
    worker.once("message", () => {
      worker.off("error", fail);
      resolve();
    });
    worker.once("error", fail);
    worker.once("exit", fail);
  });
  // What ends it later shows as `ended`; without a listener it would end the whole process.
  worker.on("error", () => undefined);
  return {
    connectionString: socketConnectionString(options.socketFolder),
    ended,
    onNotice: (listener) => {
      worker.on("message", (message: EmbeddedMessage) => {
        if (typeof message === "object" && "notice" in message) {
          listener(message.notice);
        }
      });
    },
    dumpSchema: (section) =>
      new Promise((resolve, reject) => {
        const onAnswer = (answer: EmbeddedMessage): void => {
          if (answer === "ready" || "notice" in answer) {
            return;
          }
          worker.off("message", onAnswer);
          if ("dump" in answer) {
            resolve(answer.dump);
          } else {
            reject(new Error(answer.fault));
          }
        };
        worker.on("message", onAnswer);
        void ended.then(() => {
          reject(new FederationError("UNAVAILABLE", "the embedded database has ended"));
        });
        worker.postMessage({ dump: section });
      }),
    close: async () => {
      worker.postMessage("close");
      await ended;
      rmSync(socketFile, { force: true });
    },
  };
}
