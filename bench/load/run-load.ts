import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Job, LoadResult } from "./job.ts";

/** Runs a load generator and waits for what it measured. */
export async function runLoad(job: Job): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "generate.ts")], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const [output, complaint] = [text(child.stdout), text(child.stderr)];
  child.stdin.end(JSON.stringify(job));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) {
    throw new Error(`the load generator ended with ${code}: ${(await complaint).slice(-1_000)}`);
  }
  return JSON.parse(await output) as LoadResult;
}
