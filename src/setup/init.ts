import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { Client } from "pg";
import { parseConfig } from "../config/load.ts";
import { gatewayPaths } from "../config/paths.ts";
import type { Config, ConfigInput } from "../config/schema.ts";
import { lockDirectory } from "../database/directory-lock.ts";
import { fromDatabaseError } from "../database/errors.ts";
import { migrateDatabase } from "../database/migrate.ts";
import { openDatabase } from "../database/open.ts";
import { SUPPORTED_MAJORS } from "../database/supported.ts";
import { FederationError } from "../errors.ts";
import { loadSampleApp } from "../sample/load-sample.ts";
import { createKeyringFile, loadKeyring } from "../seal/keyring.ts";
import { writeServices } from "./federated-services.ts";
import type { FederatedServices } from "./federated-services.ts";
import { createLoginRole } from "./login-role.ts";
import { prepareDatabase } from "./prepare.ts";
import { requireFederatedTier } from "./requirements.ts";

/**
 * Makes a gateway in a directory: configuration, sealing keys, database, certificate authority. Leaves no configuration behind
 * when it fails, so that it can be tried again.
 *
 * @param options.databaseUrl an administrator's connection string (tiers `standalone` and `federated`)
 * @param options.services what tier `federated` needs beside it
 * @param options.sample whether to load the sample application, so that there is something to share
 * @throws FederationError CONFLICT where the directory holds a gateway, CONFIG_INVALID, UNAVAILABLE
 */
export async function initGateway(options: {
  directory: string;
  config: ConfigInput;
  databaseUrl?: string;
  services?: FederatedServices;
  sample: boolean;
  log: (line: string) => void;
}): Promise<Config> {
  const { directory, databaseUrl, services, log } = options;
  const config = parseConfig(options.config);
  const paths = gatewayPaths(directory);
  if (existsSync(paths.config)) {
    throw new FederationError("CONFLICT", `${directory} holds a gateway already; choose another --dir`);
  }
  if ((config.tier === "local") === (databaseUrl !== undefined)) {
    throw new FederationError(
      "USAGE",
      "tiers standalone and federated need a --database-url, and tier local takes none",
    );
  }
  if ((config.tier === "federated") !== (services !== undefined)) {
    throw new FederationError("USAGE", "tier federated needs Valkey and step-ca, and the other tiers take none");
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  mkdirSync(paths.secrets, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(directory, (cause) => {
    throw cause;
  });
  try {
    if (!existsSync(paths.sealKeys)) {
      createKeyringFile(paths.sealKeys);
      log("sealing key made");
    }
    if (databaseUrl !== undefined) {
      writeFileSync(paths.adminDatabaseUrl, `${databaseUrl}\n`, { mode: 0o600 });
      if (services === undefined) {
        await requireVersion(databaseUrl);
      } else {
        writeServices(paths, services);
        await requireFederatedTier(config, paths, { mayInstallVector: true });
        log("PostgreSQL with pgvector, Valkey and step-ca answer");
      }
      await migrateDatabase({ connectionString: databaseUrl, log });
      writeFileSync(paths.gatewayDatabaseUrl, `${await createLoginRole(databaseUrl)}\n`, { mode: 0o600 });
      log("login of the gateway made");
    }
    if (config.tier === "local") {
      log("making the embedded database; this takes some seconds");
    }
    const database = await openDatabase(config, paths);
    try {
      await prepareDatabase({ adminUrl: database.adminUrl, config, paths, keyring: loadKeyring(paths.sealKeys), log });
      if (options.sample && (await loadSampleApp(database.adminUrl))) {
        log("sample application loaded");
      }
    } finally {
      await database.close();
    }
    writeFileSync(paths.config, `${JSON.stringify(options.config, null, 2)}\n`);
    return config;
  } finally {
    await lock.release();
  }
}

async function requireVersion(connectionString: string): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number }>(
      "select current_setting('server_version_num')::integer / 10000 as version",
    );
    const version = rows[0]?.version ?? 0;
    if (version < SUPPORTED_MAJORS.from || version > SUPPORTED_MAJORS.to) {
      throw new FederationError(
        "CONFIG_INVALID",
        `the database is PostgreSQL ${version}; a gateway runs on ${SUPPORTED_MAJORS.from} to ${SUPPORTED_MAJORS.to}`,
      );
    }
  } catch (error) {
    throw fromDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
