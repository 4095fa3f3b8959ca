import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Work } from "../setting/work.ts";
import type { ServerTls } from "./tls.ts";

/** What a server of this folder is told at its start, as JSON on its standard input. */
export interface PeerSettings {
  work: Work;
  tls: ServerTls;
  port: number;
  /** Whether a client certificate is asked for, or a proxy in front has done that. */
  mutual: boolean;
  /** By which policies rows are decided: those of the grant, or their like that believes settings. */
  policies: "grant" | "settings";
}

/** A server in a process of its own. */
export interface PeerProcess {
  pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a server of this folder and waits until it listens.
 *
 * @param name the file without `.ts`
 */
export async function startPeer(name: string, settings: PeerSettings): Promise<PeerProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production", GRAPHILE_ENV: "production" },
  });
  const exited = once(child, "exit");
  child.stdin.end(JSON.stringify(settings));
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => text as string),
    exited.then(() => "it ended"),
  ]);
  if (line !== "listening" || child.pid === undefined) {
    throw new Error(`the peer ${name} did not start: ${line}`);
  }
  return {
    pid: child.pid,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
