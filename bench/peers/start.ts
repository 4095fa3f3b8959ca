import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const START_MS = 60_000;

/** A process that is measured, or beside which something is. */
export interface PeerProcess {
  pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a program and waits until it says so on its standard output, or until it listens where it says nothing.
 *
 * @param isReady given what was printed so far
 * @throws with what it printed to standard error, where it ended or was not ready within a minute
 */
export async function startProcess(
  command: readonly [program: string, ...args: string[]],
  isReady: (printed: string) => boolean | Promise<boolean>,
): Promise<PeerProcess> {
  const [program, ...args] = command;
  // In a group of its own: Ctrl-C is for the bench, which stops it in its turn.
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const exited = once(child, "exit");
  exited.catch(() => undefined);
  let [printed, complaints] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-10_000)));
  child.stderr.on("data", (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2_000)));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    if (!hasEnded()) {
      child.kill("SIGTERM");
      await exited;
    }
  };
  for (const deadline = Date.now() + START_MS; !(await isReady(printed));) {
    if (hasEnded() || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} did not start: ${complaints}`);
    }
    await sleep(25);
  }
  return { pid: child.pid ?? 0, stop };
}

/** Of the bench's own peers. */
export function saidReady(printed: string): boolean {
  return printed.includes("ready\n");
}
