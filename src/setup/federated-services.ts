import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { parseConfig } from "../config/load.ts";
import { gatewayPaths } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config, ConfigInput } from "../config/schema.ts";
import { lockDirectory } from "../database/directory-lock.ts";
import { openDatabase } from "../database/open.ts";
import { FederationError } from "../errors.ts";
import { loadKeyring } from "../seal/keyring.ts";
import { prepareDatabase } from "./prepare.ts";
import { requireFederatedTier } from "./requirements.ts";

/** What tier `federated` needs beside PostgreSQL. */
export interface FederatedServices {
  valkeyUrl: string;
  /** The root that is pinned for step-ca, PEM. */
  stepCaRoot: string;
  /** The provisioner's private key, JSON Web Key. */
  stepCaKey: string;
}

/** Writes how Valkey and step-ca are reached, readable to its owner alone where it is secret. */
export function writeServices(paths: GatewayPaths, services: FederatedServices): void {
  writeFileSync(paths.valkeyUrl, `${services.valkeyUrl}\n`, { mode: 0o600 });
  writeFileSync(paths.stepCaKey, `${services.stepCaKey.trimEnd()}\n`, { mode: 0o600 });
  writeFileSync(paths.stepCaRoot, services.stepCaRoot);
}

/**
 * Raises a gateway of tier `standalone` to tier `federated`: looks whether everything is there, lets step-ca sign from now on, and says
 * so in the configuration last of all. What fails leaves the gateway as it was.
 *
 * @throws FederationError CONFIG_INVALID with every requirement that is not met, CONFLICT where peers have pinned another root than
 * step-ca's, GATEWAY_RUNNING
 */
export async function upgradeToFederated(options: {
  directory: string;
  stepCa: NonNullable<ConfigInput["stepCa"]>;
  services: FederatedServices;
  log: (line: string) => void;
}): Promise<Config> {
  const { directory, stepCa, services, log } = options;
  const paths = gatewayPaths(directory);
  if (!existsSync(paths.config)) {
    throw new FederationError("CONFIG_INVALID", `${directory} holds no gateway`);
  }
  const lock = await lockDirectory(directory, (cause) => {
    throw cause;
  });
  const files = [paths.valkeyUrl, paths.stepCaKey, paths.stepCaRoot];
  try {
    const written = JSON.parse(readFileSync(paths.config, "utf8")) as ConfigInput;
    const before = parseConfig(written);
    if (before.tier !== "standalone") {
      const next = before.tier === "local" ? `; move it first: mosaic migrate-to-federated --from ${directory}` : "";
      throw new FederationError("CONFIG_INVALID", `the gateway's tier is ${before.tier}, not standalone${next}`);
    }
    const after = { ...written, version: 2 as const, tier: "federated" as const, stepCa };
    const config = parseConfig(after);
    writeServices(paths, services);
    try {
      await requireFederatedTier(config, paths, { mayInstallVector: true });
      log("PostgreSQL with pgvector, Valkey and step-ca answer");
      const database = await openDatabase(config, paths);
      await prepareDatabase({ adminUrl: database.adminUrl, config, paths, keyring: loadKeyring(paths.sealKeys), log });
      await database.close();
    } catch (error) {
      files.forEach((file) => {
        rmSync(file, { force: true });
      });
      throw error;
    }
    writeFileSync(`${paths.config}.tmp`, `${JSON.stringify(after, null, 2)}\n`, { flush: true });
    renameSync(`${paths.config}.tmp`, paths.config);
    return config;
  } finally {
    await lock.release();
  }
}
