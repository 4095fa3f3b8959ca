import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { fillWorld } from "../../src/demo/world.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { FederatedServices } from "../../src/setup/federated-services.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../harness/mosaic.ts";

/** What can be ended at any moment, and started again. */
export interface Killable {
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, and waits until it does its work. */
  start(): Promise<void>;
}

/** A command of `mosaic` that runs until it is ended, in a process of its own. */
export interface KillableCommand extends Killable {
  /** Whether it runs: nothing but `kill` and `stop` may end it. */
  readonly runs: boolean;
  /** What it logged since it was started. */
  log(): string;
  stop(): Promise<void>;
}

/** What stops takes no longer: nothing is left behind where a test has failed, ms. */
const STOP_MS = 25_000;

/** @param beforeStart what time would do before it is started again */
function killableCommand(args: readonly string[], beforeStart: () => void = () => undefined): KillableCommand {
  let child: ChildProcess | undefined;
  let errors = "";
  const runs = (): boolean => child?.exitCode === null && child.signalCode === null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child !== undefined && runs()) {
      const exited = once(child, "exit");
      child.kill(signal);
      const late = setTimeout(() => child?.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(late);
    }
  };
  return {
    get runs() {
      return runs();
    },
    log: () => errors,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    start: async () => {
      beforeStart();
      const started = spawn(MOSAIC[0], [MOSAIC[1], ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
      child = started;
      errors = "";
      let out = "";
      started.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      await new Promise<void>((resolve, reject) => {
        started.stdout.on("data", (chunk: Buffer) => {
          out += chunk.toString();
          if (out.endsWith("}\n")) {
            resolve();
          }
        });
        started.once("exit", (code) => {
          reject(new Error(`mosaic ${args.join(" ")} ended with ${code}: ${errors}`));
        });
      });
    },
  };
}

/** One side of a federation: a gateway and its worker, each in a process of its own. */
export interface Side {
  directory: string;
  databaseUrl: string;
  publicUrl: string;
  federationUrl: string;
  gateway: KillableCommand;
  worker: KillableCommand;
  stop(): Promise<void>;
}

/** A lock that was left behind by a killed process is waited out, ms (src/database/directory-lock.ts). */
const LOCK_MS = 11_000;

/**
 * Makes a gateway, and starts it and its worker.
 *
 * @param options.services makes it one of tier federated
 * @param options.config beside what every side has
 */
export async function openSide(options: {
  folder: string;
  name: string;
  databaseUrl: string;
  world: Parameters<typeof fillWorld>[1];
  config?: Partial<ConfigInput>;
  services?: FederatedServices;
}): Promise<Side> {
  const { folder, name, databaseUrl, world, services } = options;
  const directory = join(folder, name);
  const [federation = 0, open = 0, home = 0] = await freePorts(3);
  const [federationUrl, publicUrl] = [`https://127.0.0.1:${federation}`, `https://127.0.0.1:${open}`];
  await initGateway({
    directory,
    config: {
      version: 2,
      tier: services === undefined ? "standalone" : "federated",
      host: `${name}.localhost`,
      listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
      federationUrl,
      publicUrl,
      limits: { requestsPerMinute: 1_000_000, peerTimeoutMs: 3_000 },
      ...options.config,
    },
    databaseUrl,
    ...(services === undefined ? {} : { services }),
    sample: true,
    log: () => undefined,
  });
  await fillWorld(databaseUrl, world);
  const lock = join(directory, "gateway.lock");
  const ageLock = (): void => {
    if (existsSync(lock)) {
      const then = new Date(Date.now() - LOCK_MS);
      utimesSync(lock, then, then);
    }
  };
  const gateway = killableCommand(["serve", "--no-worker", "--dir", directory], ageLock);
  const worker = killableCommand(["worker", "--dir", directory]);
  const stop = async (): Promise<void> => {
    await Promise.all([gateway.stop(), worker.stop()]);
  };
  try {
    await gateway.start();
    await worker.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { directory, databaseUrl, publicUrl, federationUrl, gateway, worker, stop };
}
