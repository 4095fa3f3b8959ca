import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { FederationError } from "../errors.ts";

/** The one process that owns a gateway's directory. */
export interface DirectoryLock {
  release(): Promise<void>;
}

// A lock that was not renewed for this long was left by a process that was killed.
const STALE_MS = 10_000;
/** Process id files of the directories that this process holds. */
const held = new Set<string>();

/**
 * Takes a gateway's directory for this process, so that no two run on the same files. A lock left behind by a killed process is
 * waited out (10 s at most).
 *
 * @param onLost called if the lock is lost while held, for example after the machine slept: the holder must stop
 * @throws FederationError GATEWAY_RUNNING where a living process holds it
 */
export async function lockDirectory(directory: string, onLost: (cause: Error) => void): Promise<DirectoryLock> {
  const pidFile = resolve(directory, "gateway.pid");
  const deadline = Date.now() + STALE_MS + 2_000;
  for (;;) {
    try {
      const release = await lock(directory, {
        lockfilePath: join(directory, "gateway.lock"),
        stale: STALE_MS,
        update: STALE_MS / 4,
        onCompromised: onLost,
      });
      held.add(pidFile);
      writeFileSync(pidFile, `${process.pid}\n`);
      return {
        release: async () => {
          rmSync(pidFile, { force: true });
          held.delete(pidFile);
          await release();
        },
      };
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ELOCKED")) {
        throw new FederationError("CONFIG_INVALID", `${directory} cannot be locked`, { cause });
      }
      const pid = livingOwner(pidFile);
      if (pid !== undefined || Date.now() > deadline) {
        throw new FederationError(
          "GATEWAY_RUNNING",
          `another process${pid === undefined ? "" : ` (${pid})`} runs on ${directory}; stop it first, or choose another --dir`,
          { cause },
        );
      }
      await sleep(250);
    }
  }
}

function livingOwner(pidFile: string): number | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(pidFile, "utf8"));
  } catch {
    // Another process has the lock and has not written the file yet: the next look will tell.
    return undefined;
  }
  if (pid === process.pid) {
    // In a container each process is the first: the one that was killed had our id.
    return held.has(pidFile) ? pid : undefined;
  }
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    return error instanceof Error && "code" in error && error.code === "EPERM" ? pid : undefined;
  }
}
