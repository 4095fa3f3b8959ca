import { readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { openEmbedded, socketFolder } from "./embedded.ts";

/** A gateway's database while this process uses it. */
export interface GatewayDatabase {
  /** For requests: a login that is no more than `federation_gateway` (on the embedded database, the only login there is). */
  gatewayUrl: string;
  /** For migrations and admin functions. */
  adminUrl: string;
  /** Of an embedded database, which needs no connection to listen: told the payload of each change of grants. */
  onNotice?(listener: (payload: string) => void): void;
  /** Settles if the database ends by itself; only an embedded one can. */
  ended: Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the database that the configuration names. On tier `local` this starts it, so the caller holds the directory's lock.
 *
 * @throws FederationError UNAVAILABLE, CONFIG_INVALID
 */
export async function openDatabase(config: Config, paths: GatewayPaths): Promise<GatewayDatabase> {
  if (config.tier === "local") {
    const embedded = await openEmbedded({ dataFolder: paths.data, socketFolder: socketFolder(paths.directory) });
    return {
      gatewayUrl: embedded.connectionString,
      adminUrl: embedded.connectionString,
      ended: embedded.ended,
      onNotice: (listener) => {
        embedded.onNotice(listener);
      },
      close: () => embedded.close(),
    };
  }
  return {
    gatewayUrl: readSecret(paths.gatewayDatabaseUrl, SECRET_VARIABLES.gatewayDatabaseUrl),
    adminUrl: readSecret(paths.adminDatabaseUrl, SECRET_VARIABLES.adminDatabaseUrl),
    ended: new Promise(() => undefined),
    close: () => Promise.resolve(),
  };
}
