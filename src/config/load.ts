import { readFileSync, statSync } from "node:fs";
import { FederationError } from "../errors.ts";
import type { GatewayPaths } from "./paths.ts";
import { configSchema } from "./schema.ts";
import type { Config } from "./schema.ts";

/**
 * Reads a configuration.
 *
 * @param value parsed JSON
 * @throws FederationError CONFIG_INVALID with the path and the expectation of every fault
 */
export function parseConfig(value: unknown): Config {
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top level)"}: ${issue.message}`);
    throw new FederationError("CONFIG_INVALID", `the configuration is not valid:\n  ${faults.join("\n  ")}`);
  }
  return parsed.data;
}

/**
 * Reads the configuration of a gateway's directory.
 *
 * @throws FederationError CONFIG_INVALID where there is none or it is not valid
 */
export function loadConfig(paths: GatewayPaths): Config {
  let text: string;
  try {
    text = readFileSync(paths.config, "utf8");
  } catch (cause) {
    throw new FederationError(
      "CONFIG_INVALID",
      `${paths.directory} holds no gateway: run "mosaic init --dir ${paths.directory}" first`,
      { cause },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FederationError("CONFIG_INVALID", `${paths.config} is not JSON: ${String(cause)}`, { cause });
  }
  return parseConfig(value);
}

/**
 * Reads a secret from a file that only its owner may read.
 *
 * @returns the text without its last line break
 * @throws FederationError CONFIG_INVALID where the file is missing or others may read it
 */
export function readSecret(file: string): string {
  let mode: number;
  let text: string;
  try {
    mode = statSync(file).mode;
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new FederationError("CONFIG_INVALID", `the secret ${file} cannot be read`, { cause });
  }
  if ((mode & 0o077) !== 0) {
    throw new FederationError("CONFIG_INVALID", `the secret ${file} is open to others: run "chmod 600 ${file}"`);
  }
  return text.replace(/\r?\n$/, "");
}

/** How peers reach a listener: as configured, or by host and port. */
export function federationUrl(config: Config): string {
  return config.federationUrl ?? `https://${config.host}:${config.listeners.federation.port}`;
}

/** How anybody reaches the public listener: as configured, or by host and port. */
export function publicUrl(config: Config): string {
  return config.publicUrl ?? `https://${config.host}:${config.listeners.public.port}`;
}
