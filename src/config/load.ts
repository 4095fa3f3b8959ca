import { readFileSync, statSync } from "node:fs";
import type { z } from "zod";
import { FederationError } from "../errors.ts";
import { applyEnvironment, configVariables } from "./environment.ts";
import type { GatewayPaths } from "./paths.ts";
import { configSchema } from "./schema.ts";
import type { Config } from "./schema.ts";
import { upgradeConfig } from "./upgrade.ts";

/**
 * Reads a configuration of this version of the format or an earlier one, with the variables of the environment over it.
 *
 * @param value parsed JSON
 * @throws FederationError CONFIG_INVALID with the path, the value and the expectation of every fault
 */
export function parseConfig(value: unknown, environment: NodeJS.ProcessEnv = {}): Config {
  const effective = applyEnvironment(upgradeConfig(value), environment);
  const parsed = configSchema.safeParse(effective);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => faultOf(issue, effective, environment));
    throw new FederationError("CONFIG_INVALID", `the configuration is not valid:\n  ${faults.join("\n  ")}`);
  }
  return parsed.data;
}

function faultOf(issue: z.core.$ZodIssue, value: unknown, environment: NodeJS.ProcessEnv): string {
  const path = issue.path.map(String);
  const variable = configVariables().find(({ path: of }) => of.join(".") === path.join("."));
  const from = variable !== undefined && environment[variable.name] ? ` (from ${variable.name})` : "";
  const found = path.reduce<unknown>(
    (node, key) => (typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined),
    value,
  );
  const shown = found === undefined ? "nothing there" : JSON.stringify(found).slice(0, 80);
  return `${path.join(".") || "(top level)"}${from}: ${issue.message}; found ${shown}`;
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
  return parseConfig(value, process.env);
}

/**
 * Reads a secret from a variable of the environment or else from a file that only its owner may read.
 *
 * @param variable the variable that may hold it instead
 * @returns the text without its last line break
 * @throws FederationError CONFIG_INVALID where the file is missing or others may read it
 */
export function readSecret(file: string, variable?: string): string {
  const fromEnvironment = variable === undefined ? undefined : process.env[variable];
  if (fromEnvironment !== undefined && fromEnvironment !== "") {
    return fromEnvironment;
  }
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
