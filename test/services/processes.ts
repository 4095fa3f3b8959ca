import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { MOSAIC } from "../harness/mosaic.ts";

/** `mosaic serve` in a process of its own. */
export interface Served {
  child: ChildProcess;
  /** Its listeners on loopback, whatever its configuration says of how others reach it. */
  federationUrl: string;
  publicUrl: string;
  homeUrl: string;
  /** What it logged so far. */
  log(): string;
  /** Ends it and gives its exit code. */
  stop(): Promise<number | null>;
}

/**
 * Runs `mosaic serve` on a directory, with ports of its own, until it serves.
 *
 * @throws Error with its output where it ends instead
 */
export async function serve(directory: string, environment: NodeJS.ProcessEnv = {}): Promise<Served> {
  const [federation, open, home] = await freePorts(3);
  const child = spawn(MOSAIC[0], [MOSAIC[1], "serve", "--dir", directory, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      MOSAIC_LISTENERS_FEDERATION_PORT: String(federation),
      MOSAIC_LISTENERS_PUBLIC_PORT: String(open),
      MOSAIC_LISTENERS_HOME_PORT: String(home),
      ...environment,
    },
  });
  let [out, errors] = ["", ""];
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.endsWith("}\n")) {
        resolve();
      }
    });
    child.once("exit", (code) => {
      reject(new Error(`serve ended with ${code}: ${errors}`));
    });
  });
  return {
    child,
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    homeUrl: `http://127.0.0.1:${home}`,
    log: () => errors,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      return child.exitCode;
    },
  };
}
