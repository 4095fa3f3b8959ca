import { spawn } from "node:child_process";
import { join } from "node:path";

/** How a run of the command ended. */
export interface MosaicRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The program and first argument that are `mosaic`, run from its sources. */
export const MOSAIC = [process.execPath, join(import.meta.dirname, "../../cli/main.ts")] as const;

/** Runs `mosaic` in a process of its own. */
export async function runMosaic(args: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<MosaicRun> {
  const child = spawn(MOSAIC[0], [MOSAIC[1], ...args], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
