import { readdirSync, readFileSync } from "node:fs";

const TICKS_A_SECOND = 100;

/**
 * CPU seconds that processes and those that they started have taken so far; Linux only (proc_pid_stat(5)). On a machine that others share it
 * says more than the time that went by: what a request costs does not depend on who else is there.
 */
export function cpuSecondsOf(pids: readonly number[]): number {
  const ticks = new Map<number, { parent: number; own: number; ended: number }>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid)) {
      const stat = statOf(pid);
      if (stat !== undefined) {
        ticks.set(pid, stat);
      }
    }
  }
  const wanted = new Set(pids);
  let total = 0;
  for (const [pid, { own, ended }] of ticks) {
    if (isWithin(pid, wanted, ticks)) {
      total += own + ended;
    }
  }
  return total / TICKS_A_SECOND;
}

function isWithin(pid: number, wanted: ReadonlySet<number>, all: ReadonlyMap<number, { parent: number }>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at !== 0; at = all.get(at)?.parent) {
    if (wanted.has(at)) {
      return true;
    }
  }
  return false;
}

function statOf(pid: number): { parent: number; own: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [utime = 0, stime = 0, ended = 0, endedInKernel = 0] = fields.slice(11, 15);
    return { parent: fields[1] ?? 0, own: utime + stime, ended: ended + endedInKernel };
  } catch {
    // It has just ended.
    return undefined;
  }
}
