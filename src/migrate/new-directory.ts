import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gatewayPaths } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import { FederationError } from "../errors.ts";
import type { MoveReport } from "./report.ts";

/**
 * The moved gateway's directory while it is made. Its files are written before the target's transaction commits and its configuration
 * last of all, from what is written here, so that a move that was interrupted right after the commit can still be finished.
 */
interface Staged {
  /** The same as in the target's settings, where the commit happened. */
  id: string;
  config: unknown;
  report: MoveReport;
}

const stagedFile = (directory: string): string => join(directory, "moving.json");

/**
 * @throws FederationError CONFLICT where the directory holds a gateway, or sealing keys, which nothing may overwrite
 */
export function requireNoGateway(directory: string): void {
  const { config, sealKeys } = gatewayPaths(directory);
  if (existsSync(config) || (existsSync(sealKeys) && !existsSync(stagedFile(directory)))) {
    throw new FederationError("CONFLICT", `${directory} holds a gateway already; choose another --dir`);
  }
}

/** What an interrupted move left, if anything. */
export function readStaged(directory: string): Staged | undefined {
  try {
    return JSON.parse(readFileSync(stagedFile(directory), "utf8")) as Staged;
  } catch {
    // None, or one that was not written to its end and so before any commit.
    return undefined;
  }
}

/** Writes everything but the configuration: the source's sealing keys, what it has published as revoked, and how the target is reached. */
export function stage(
  directory: string,
  options: { source: GatewayPaths; adminUrl: string; gatewayUrl: string; id: string; report: MoveReport },
): void {
  const paths = gatewayPaths(directory);
  const { source, adminUrl, gatewayUrl, id, report } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  mkdirSync(paths.secrets, { recursive: true, mode: 0o700 });
  const config = { ...(JSON.parse(readFileSync(source.config, "utf8")) as object), tier: "standalone" };
  const staged: Staged = { id, config, report };
  // First, because it says that the others are ours to take away.
  writeFileSync(stagedFile(directory), JSON.stringify(staged), { mode: 0o600, flush: true });
  // The keys are absent where they come from the environment; nothing may have been revoked yet.
  for (const file of ["sealKeys", "publishedRevocations"] as const) {
    if (existsSync(source[file])) {
      writeFileSync(paths[file], readFileSync(source[file]), { mode: 0o600, flush: true });
    }
  }
  writeFileSync(paths.adminDatabaseUrl, `${adminUrl}\n`, { mode: 0o600, flush: true });
  writeFileSync(paths.gatewayDatabaseUrl, `${gatewayUrl}\n`, { mode: 0o600, flush: true });
}

/** Makes the staged directory a gateway's. */
export function finish(directory: string, staged: Pick<Staged, "config">): void {
  const { config } = gatewayPaths(directory);
  writeFileSync(`${config}.tmp`, `${JSON.stringify(staged.config, null, 2)}\n`, { flush: true });
  renameSync(`${config}.tmp`, config);
  rmSync(stagedFile(directory), { force: true });
}

/** Takes away what a move that did not commit left. */
export function unstage(directory: string): void {
  const { sealKeys, publishedRevocations, adminDatabaseUrl, gatewayDatabaseUrl } = gatewayPaths(directory);
  for (const file of [sealKeys, publishedRevocations, adminDatabaseUrl, gatewayDatabaseUrl, stagedFile(directory)]) {
    rmSync(file, { force: true });
  }
}
