import { spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, writeSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Runs a program to its end.
 *
 * @param options.log a file to which its output is appended
 * @returns its standard output
 * @throws Error with the last lines of its output where it fails or does not end in time
 */
export async function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; log?: string; timeoutSeconds?: number } = {},
): Promise<string> {
  // First: what is begun is waited for.
  const log = options.log === undefined ? undefined : openSync(options.log, "a", 0o600);
  const child = spawn(program, args, {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: (options.timeoutSeconds ?? 60) * 1000,
  });
  let output = "";
  let tail = "";
  const take = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-2_000);
    if (log !== undefined) {
      writeSync(log, chunk);
    }
  };
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    take(chunk);
  });
  child.stderr.on("data", take);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        if (code === 0) {
          resolve();
        } else {
          const how = signal === null ? `ended with ${code ?? "nothing"}` : `was ended by ${signal}`;
          reject(new Error(`${program} ${how}: ${tail.trim().split("\n").slice(-6).join("\n")}`));
        }
      });
    });
  } finally {
    if (log !== undefined) {
      closeSync(log);
    }
  }
  return output;
}

/** Where a program lies on the path or in one of the further folders; undefined where it is not. */
export function findProgram(name: string, further: readonly string[] = []): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...further].filter((folder) => folder !== "");
  return folders
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
