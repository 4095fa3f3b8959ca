import type { Logger } from "pino";
import { federationUrl, loadConfig, publicUrl } from "./config/load.ts";
import { gatewayPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import { lockDirectory } from "./database/directory-lock.ts";
import { openDatabase } from "./database/open.ts";
import { FederationError } from "./errors.ts";
import { loadKeyring } from "./seal/keyring.ts";

/** A gateway that is serving. */
export interface Gateway {
  config: Config;
  federationUrl: string;
  publicUrl: string;
  homeUrl: string;
  /** Connection string of an administrator, for a worker beside it. */
  adminUrl: string;
  /** Makes the list of revoked certificates anew. @throws where that could not be done */
  refreshCrl: () => Promise<void>;
  /** Rejects with the reason if the gateway cannot go on: its database ended, or its directory was taken. */
  failed: Promise<never>;
  /** Stops taking requests, lets running ones end, writes the audit queue, closes the database. */
  stop(): Promise<void>;
}

/**
 * Starts the gateway of a directory that `initGateway` made.
 *
 * @throws FederationError CONFIG_INVALID, GATEWAY_RUNNING, UNAVAILABLE, SEAL_BROKEN
 */
export async function startGateway(directory: string, log: Logger): Promise<Gateway> {
  const paths = gatewayPaths(directory);
  const config = loadConfig(paths);
  const keyring = loadKeyring(paths.sealKeys);
  const fault = Promise.withResolvers<never>();
  // Whoever runs the gateway may look at it later.
  fault.promise.catch(() => undefined);

  // What was opened is closed in the opposite order, whether the start fails half-way or the gateway stops.
  let adminUrl: string;
  let refreshCrl: () => Promise<void>;
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      await close().catch((error: unknown) => {
        log.error({ err: error }, "something did not close well");
      });
    }
  };

  try {
    if (config.tier === "federated") {
      const { requireFederatedTier } = await import("./setup/requirements.ts");
      await requireFederatedTier(config, paths);
    }
    const lock = await lockDirectory(directory, fault.reject);
    closers.push(() => lock.release());

    // What serves takes most of a second to load, and the embedded database to start, on a thread of its own.
    const opening = openDatabase(config, paths);
    const loading = Promise.all([
      import("./serve-database.ts"),
      import("./graphile/verb-schema.ts"),
      import("./listeners/open-home.ts"),
    ]);
    // What cannot be loaded is said when its turn comes.
    loading.catch(() => undefined);
    const database = await opening;
    closers.push(() => database.close());
    ({ adminUrl } = database);
    void database.ended.then(() => {
      fault.reject(new FederationError("UNAVAILABLE", "the embedded database has ended"));
    });

    const [{ serveDatabase }] = await loading;
    ({ refreshCrl } = await serveDatabase({ directory, config, paths, keyring, database, closers, log }));
  } catch (error) {
    await stop();
    throw error;
  }
  log.info({ host: config.host, tier: config.tier }, "serving");
  return {
    config,
    federationUrl: federationUrl(config),
    publicUrl: publicUrl(config),
    homeUrl: `http://${config.listeners.home.address}:${config.listeners.home.port}`,
    adminUrl,
    refreshCrl,
    failed: fault.promise,
    stop,
  };
}
