import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { loadConfig } from "../config/load.ts";
import { gatewayPaths } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { lockDirectory } from "../database/directory-lock.ts";
import type { DirectoryLock } from "../database/directory-lock.ts";
import { socketConnectionString, socketFolder } from "../database/embedded.ts";
import { migrateDatabase } from "../database/migrate.ts";
import { openDatabase } from "../database/open.ts";
import { asFederationError } from "../errors.ts";
import type { Keyring } from "../seal/keyring.ts";
import { loadKeyring } from "../seal/keyring.ts";

/** A gateway's database and secrets, for a command beside the gateway. */
export interface UsedGateway {
  config: Config;
  paths: GatewayPaths;
  keyring: Keyring;
  adminUrl: string;
  gatewayUrl: string;
}

const BUSY_MS = 15_000;

/**
 * Runs a command's work on the database of a gateway's directory, whether its gateway runs or not: an embedded database is reached
 * through its socket where a process serves it, and opened by this one otherwise.
 *
 * @throws FederationError CONFIG_INVALID, UNAVAILABLE, GATEWAY_RUNNING
 */
export async function useDatabase<T>(directory: string, work: (gateway: UsedGateway) => Promise<T>): Promise<T> {
  const paths = gatewayPaths(directory);
  const config = loadConfig(paths);
  const keyring = loadKeyring(paths.sealKeys);
  if (config.tier !== "local") {
    const database = await openDatabase(config, paths);
    return work({ config, paths, keyring, adminUrl: database.adminUrl, gatewayUrl: database.gatewayUrl });
  }
  const socketUrl = socketConnectionString(socketFolder(directory));
  const lock = await lockOrReach(directory, socketUrl);
  if (lock === undefined) {
    return work({ config, paths, keyring, adminUrl: socketUrl, gatewayUrl: socketUrl });
  }
  try {
    const database = await openDatabase(config, paths);
    try {
      await migrateDatabase({ connectionString: database.adminUrl });
      return await work({ config, paths, keyring, adminUrl: database.adminUrl, gatewayUrl: database.gatewayUrl });
    } finally {
      await database.close();
    }
  } finally {
    await lock.release();
  }
}

/** The directory's lock, or nothing where another process has it and serves the database. */
async function lockOrReach(directory: string, socketUrl: string): Promise<DirectoryLock | undefined> {
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    try {
      return await lockDirectory(directory, (cause) => {
        throw cause;
      });
    } catch (error) {
      if (asFederationError(error).code !== "GATEWAY_RUNNING") {
        throw error;
      }
      if (await answers(socketUrl)) {
        return undefined;
      }
      // The other process is just starting, or just ending.
      if (Date.now() > deadline) {
        throw error;
      }
      await sleep(200);
    }
  }
}

async function answers(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    // Nobody listens, or not yet: the caller asks again.
    return false;
  }
}
