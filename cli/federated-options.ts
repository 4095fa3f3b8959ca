import { readFileSync } from "node:fs";
import { Option } from "commander";
import type { Command } from "commander";
import type { ConfigInput } from "../src/config/schema.ts";
import { FederationError } from "../src/errors.ts";
import type { FederatedServices } from "../src/setup/federated-services.ts";

/** What a person says of Valkey and step-ca. */
export interface FederatedOptions {
  valkeyUrl?: string;
  stepCaUrl?: string;
  stepCaRoot?: string;
  stepCaKey?: string;
  stepCaProvisioner: string;
}

/** Adds the options that tier `federated` needs beside a database. */
export function withFederatedOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--valkey-url <url>", "connection string of Valkey (tier federated)").env("MOSAIC_VALKEY_URL"),
    )
    .option("--step-ca-url <url>", "where step-ca answers (tier federated)")
    .option("--step-ca-root <file>", "step-ca's root certificate, PEM: the one that is pinned")
    .option("--step-ca-key <file>", "the private key of step-ca's provisioner, JSON Web Key")
    .option("--step-ca-provisioner <name>", "the name of that provisioner", "mosaic");
}

/**
 * Reads the options and the files that they name.
 *
 * @throws FederationError USAGE where one is missing or cannot be read
 */
export function readFederatedOptions(options: FederatedOptions): {
  stepCa: NonNullable<ConfigInput["stepCa"]>;
  services: FederatedServices;
} {
  const { valkeyUrl, stepCaUrl, stepCaRoot, stepCaKey } = options;
  const missing = Object.entries({
    "--valkey-url": valkeyUrl,
    "--step-ca-url": stepCaUrl,
    "--step-ca-root": stepCaRoot,
    "--step-ca-key": stepCaKey,
  }).flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (valkeyUrl === undefined || stepCaUrl === undefined || stepCaRoot === undefined || stepCaKey === undefined) {
    throw new FederationError(
      "USAGE",
      `tier federated needs ${missing.join(", ")}; "mosaic step-ca prepare --help" makes the two files`,
    );
  }
  return {
    // The root is put beside the configuration.
    stepCa: { url: stepCaUrl, rootFile: "step-ca-root.pem", provisioner: options.stepCaProvisioner },
    services: { valkeyUrl, stepCaRoot: readFile(stepCaRoot), stepCaKey: readFile(stepCaKey) },
  };
}

/** @throws FederationError USAGE */
export function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new FederationError("USAGE", `${file} cannot be read`, { cause });
  }
}
