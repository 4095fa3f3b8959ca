import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { inDebian } from "./debian.ts";
import type { Layout } from "./layout.ts";
import { runningPid, startProcess, UNPRIVILEGED, waitUntil } from "./processes.ts";
import { handOver } from "./secrets.ts";
import type { Passwords } from "./secrets.ts";
import { valkeyCommands } from "./wire.ts";

/** Connection string, in the form that clients of the protocol read. */
export function valkeyUrl(layout: Layout, passwords: Passwords): string {
  return `redis://:${passwords.valkey}@127.0.0.1:${layout.ports.valkey}`;
}

/** Starts the server on loopback; its data outlives it. */
export async function startValkey(layout: Layout, passwords: Passwords): Promise<void> {
  const home = join(layout.rootfs, "srv/valkey");
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o700);
  chownSync(home, UNPRIVILEGED, UNPRIVILEGED);
  handOver(layout, "valkey-auth.conf", join(layout.rootfs, "srv/valkey-auth.conf"), UNPRIVILEGED);
  const { logFile } = startProcess(layout, "valkey", {
    program: join(layout.rootfs, "usr/bin/valkey-server"),
    command: inDebian(layout, [
      ...["/usr/bin/valkey-server", "/srv/valkey-auth.conf", "--bind", "127.0.0.1"],
      ...["--port", String(layout.ports.valkey), "--dir", "/srv/valkey"],
      // What several gateways share is theirs to expire: nothing is evicted behind their backs.
      ...["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--maxmemory", "256mb"],
    ]),
    cwd: layout.rootfs,
  });
  const url = valkeyUrl(layout, passwords);
  await waitUntil(async () => (await valkeyVersion(url)) !== undefined, {
    alive: () => runningPid(layout, "valkey") !== undefined,
    logFile,
    seconds: 20,
  });
}

/** The release of a Valkey server; undefined where it does not answer, or is not one. */
export async function valkeyVersion(url: string): Promise<string | undefined> {
  try {
    const [pong, info] = await valkeyCommands(url, [["PING"], ["INFO", "server"]]);
    return pong === "PONG" ? /^valkey_version:(\S+)/m.exec(info ?? "")?.[1] : undefined;
  } catch {
    return undefined;
  }
}
