import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FederationError } from "../errors.ts";

/** A gateway that runs in a process of its own. */
export interface GatewayProcess {
  pid: number;
  host: string;
  federationUrl: string;
  publicUrl: string;
  homeUrl: string;
  stop(): Promise<void>;
}

const START_MS = 60_000;

/**
 * Runs `mosaic serve` on a directory and waits until it serves.
 *
 * @param command the program and its first arguments
 */
export async function startGatewayProcess(command: readonly string[], directory: string): Promise<GatewayProcess> {
  const [program = "", ...rest] = command;
  const outFile = join(directory, "serve.out");
  const logFile = join(directory, "serve.log");
  const [out, log] = [openSync(outFile, "w"), openSync(logFile, "w")];
  const child = spawn(program, [...rest, "serve", "--dir", directory, "--json"], {
    detached: true,
    stdio: ["ignore", out, log],
  });
  closeSync(out);
  closeSync(log);
  const exited = once(child, "exit");
  for (const deadline = Date.now() + START_MS; ;) {
    const printed = readFileSync(outFile, "utf8");
    if (printed.endsWith("}\n")) {
      child.unref();
      const started = JSON.parse(printed) as Omit<GatewayProcess, "stop">;
      return {
        ...started,
        stop: async () => {
          if (child.exitCode === null && child.signalCode === null) {
            // Waited for again, after unref let this process end without it.
            child.ref();
            child.kill("SIGTERM");
            await exited;
          }
        },
      };
    }
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new FederationError(
        "UNAVAILABLE",
        `a gateway did not start: ${readFileSync(logFile, "utf8").slice(-2_000)}`,
      );
    }
    await sleep(10);
  }
}

/** Where ports are looked for: below those that Linux and macOS give to outgoing connections, which would take one between two uses. */
const PORTS = { from: 20_000, to: 32_000 };
const PORT_TRIES = 100;

/**
 * Ports of the loopback interface, one after the other, that were free a moment ago.
 *
 * @throws FederationError UNAVAILABLE where none were found
 */
export async function freePorts(count: number): Promise<number[]> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const first = randomInt(PORTS.from, PORTS.to - count);
    const ports = Array.from({ length: count }, (_, place) => first + place);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
      return ports;
    }
  }
  throw new FederationError("UNAVAILABLE", `no ${count} ports in a row are free between ${PORTS.from} and ${PORTS.to}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      resolve(true);
    });
  });
  if (listens) {
    await new Promise((resolve) => server.close(resolve));
  }
  return listens;
}
