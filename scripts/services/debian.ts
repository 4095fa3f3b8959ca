import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, appendFileSync } from "node:fs";
import { join } from "node:path";
import { VERSIONS } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { isRoot, UNPRIVILEGED } from "./processes.ts";
import { findProgram, run } from "./run.ts";

const PACKAGES = [`postgresql-${VERSIONS.postgres}-pgvector`, "valkey-server"];
const SBIN = ["/usr/sbin", "/sbin"];

/** Why a Debian root folder cannot be made here; undefined where it can. */
export function whyNoDebian(): string | undefined {
  if (process.platform !== "linux") {
    return "without Docker it needs Linux: start Docker";
  }
  return isRoot()
    ? undefined
    : "without Docker it needs root (debootstrap and chroot): start Docker, or run this as root";
}

/** Whether the root folder is there: it gets its name when it is complete. */
export function hasDebian(layout: Layout): boolean {
  return existsSync(layout.rootfs);
}

/** Installs debootstrap where it is missing. */
export async function installDebootstrap(): Promise<void> {
  if (findProgram("debootstrap", SBIN) !== undefined) {
    return;
  }
  if (findProgram("apt-get") === undefined) {
    throw new Error("debootstrap is not installed: install it with this system's package manager");
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], { env, timeoutSeconds: 300 });
  await run("apt-get", ["install", "-qy", "--no-install-recommends", "debootstrap", "debian-archive-keyring"], {
    env,
    timeoutSeconds: 300,
  });
}

/** Makes the root folder; `MOSAIC_SERVICES_DEBIAN_MIRROR` names another mirror than Debian's own. */
export async function makeDebian(layout: Layout): Promise<void> {
  const partial = `${layout.rootfs}.partial`;
  const mirror = process.env["MOSAIC_SERVICES_DEBIAN_MIRROR"] ?? "http://deb.debian.org/debian";
  await discard(partial);
  await run(
    findProgram("debootstrap", SBIN) ?? "debootstrap",
    ["--variant=minbase", `--include=${PACKAGES.join(",")}`, VERSIONS.debian, partial, mirror],
    { log: join(layout.log, "debootstrap.log"), timeoutSeconds: 900 },
  );
  await unmountBelow(partial);
  rmSync(join(partial, "var/cache/apt/archives"), { recursive: true, force: true });
  // initdb wants to know the name of the user that it runs as.
  appendFileSync(
    join(partial, "etc/passwd"),
    `mosaic:x:${UNPRIVILEGED}:${UNPRIVILEGED}::/nonexistent:/usr/sbin/nologin\n`,
  );
  appendFileSync(join(partial, "etc/group"), `mosaic:x:${UNPRIVILEGED}:\n`);
  mkdirSync(join(partial, "srv"), { recursive: true, mode: 0o755 });
  writeFileSync(join(partial, "etc/mosaic-services"), `${PACKAGES.join(" ")}\n`);
  renameSync(partial, layout.rootfs);
}

/** A command within the root folder, as the unprivileged user. */
export function inDebian(layout: Layout, command: readonly string[]): string[] {
  return [
    findProgram("chroot", SBIN) ?? "chroot",
    `--userspec=${UNPRIVILEGED}:${UNPRIVILEGED}`,
    "--groups=",
    layout.rootfs,
    ...command,
  ];
}

/** Removes what an interrupted run left. */
async function discard(partial: string): Promise<void> {
  await unmountBelow(partial);
  rmSync(partial, { recursive: true, force: true });
}

/** What debootstrap mounted must be gone before anything below is removed: it is the machine's own. */
async function unmountBelow(folder: string): Promise<void> {
  for (const mount of mountsBelow(folder).reverse()) {
    await run("umount", [mount]);
  }
  const left = mountsBelow(folder);
  if (left.length > 0) {
    throw new Error(`still mounted: ${left.join(", ")}; unmount them and try again`);
  }
}

function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    )
    .filter((mount) => mount.startsWith(`${folder}/`));
}
