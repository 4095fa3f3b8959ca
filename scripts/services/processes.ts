import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layout, ServiceName } from "./layout.ts";
import { findProgram } from "./run.ts";

/** Whom the servers run as where this process is root: a number that no account of the machine has. */
export const UNPRIVILEGED = 64_733;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A process that was started: the pid alone may be another's by now, the pid with its time of start may not. */
interface Started {
  pid: number;
  /** Ticks from the machine's start to the process's (proc_pid_stat(5), field 22). */
  startedAt: string;
  program: string;
}

/**
 * Starts a server that outlives this process.
 *
 * @param program the file that the process runs, as seen from outside of any root folder
 * @param command the command, which becomes the program
 */
export function startProcess(
  layout: Layout,
  name: ServiceName,
  options: { program: string; command: readonly string[]; cwd: string },
): { pid: number; logFile: string } {
  const logFile = join(layout.log, `${name}.log`);
  const log = openSync(logFile, "a", 0o600);
  const [first = "", ...rest] = options.command;
  const child = spawn(first, rest, {
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", log, log],
    // Nothing that is secret or particular to this run is handed on.
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LANG: "C.UTF-8",
      HOME: "/nonexistent",
    },
  });
  closeSync(log);
  child.on("error", () => undefined);
  child.unref();
  if (child.pid === undefined) {
    throw new Error(`${first} could not be run`);
  }
  const started: Started = {
    pid: child.pid,
    startedAt: startOf(child.pid) ?? "",
    program: realpathSync(options.program),
  };
  writeFileSync(pidFile(layout, name), JSON.stringify(started), { mode: 0o600 });
  return { pid: child.pid, logFile };
}

/**
 * Starts a server in a folder that holds all it needs: as root with that folder as its root and as a user without rights, otherwise as who
 * runs this.
 *
 * @param command the program by its path below the folder, and its arguments
 */
export function startConfined(
  layout: Layout,
  name: ServiceName,
  folder: string,
  [path = "", ...args]: readonly string[],
): { logFile: string } {
  const program = join(folder, path);
  const user = `--userspec=${UNPRIVILEGED}:${UNPRIVILEGED}`;
  const chroot = findProgram("chroot", ["/usr/sbin", "/sbin"]) ?? "chroot";
  const command = isRoot() ? [chroot, user, "--groups=", folder, path, ...args] : [program, ...args];
  return startProcess(layout, name, { program, command, cwd: folder });
}

/** The pid of a service that was started here and still runs; forgets one that does not. */
export function runningPid(layout: Layout, name: ServiceName): number | undefined {
  let started: Started;
  try {
    started = JSON.parse(readFileSync(pidFile(layout, name), "utf8")) as Started;
  } catch {
    return undefined;
  }
  return startOf(started.pid) === started.startedAt && programOf(started.pid) === started.program
    ? started.pid
    : undefined;
}

/**
 * Ends a service that was started here, and nothing else.
 *
 * @returns the pid that was ended; undefined where it did not run
 * @throws Error where it does not end
 */
export async function stopProcess(
  layout: Layout,
  name: ServiceName,
  signal: NodeJS.Signals,
): Promise<number | undefined> {
  const pid = runningPid(layout, name);
  if (pid !== undefined) {
    process.kill(pid, signal);
    for (const deadline = Date.now() + 30_000; runningPid(layout, name) === pid;) {
      if (Date.now() > deadline) {
        throw new Error(`process ${pid} did not end within 30 s of ${signal}`);
      }
      await sleep(50);
    }
  }
  rmSync(pidFile(layout, name), { force: true });
  return pid;
}

/**
 * Waits until a server answers.
 *
 * @throws Error with the end of its log where it ends or does not answer in time
 */
export async function waitUntil(
  answers: () => Promise<boolean>,
  options: { alive: () => boolean; logFile: string; seconds: number },
): Promise<void> {
  const deadline = Date.now() + options.seconds * 1000;
  // A command that has not become the server yet is not taken for one that has ended.
  const grace = Date.now() + 1_000;
  while (!(await answers())) {
    const ended = !options.alive() && Date.now() > grace;
    if (ended || Date.now() > deadline) {
      const tail = readFileSync(options.logFile, "utf8").trim().split("\n").slice(-5).join("\n");
      throw new Error(`${ended ? "it ended" : `it does not answer after ${options.seconds} s`}: ${tail}`);
    }
    await sleep(100);
  }
}

function pidFile(layout: Layout, name: ServiceName): string {
  return join(layout.run, `${name}.json`);
}

function startOf(pid: number): string | undefined {
  try {
    // The name of the program, in brackets, may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    // Field 3 is the first after the name; Z is a process that has ended and was not waited for.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
