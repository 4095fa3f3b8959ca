import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { readSecret } from "../config/load.ts";
import { FederationError } from "../errors.ts";

/** The keys that seal secrets, by version. */
export interface Keyring {
  /** The version that seals; the others only open. */
  current: number;
  /** 32 bytes each. */
  keys: Map<number, Buffer>;
}

const KEY_BYTES = 32;
// Four bytes in a sealed secret's header.
const MAX_VERSION = 0xffff_ffff;

const keyringFile = z
  .strictObject({
    version: z.literal(1),
    current: z.int().min(1).max(MAX_VERSION),
    keys: z.record(
      z.string().regex(/^[1-9]\d{0,9}$/),
      z.base64().refine((text) => Buffer.from(text, "base64").length === KEY_BYTES),
    ),
  })
  .refine(({ current, keys }) => Object.hasOwn(keys, String(current)))
  .refine(({ keys }) => Object.keys(keys).every((version) => Number(version) <= MAX_VERSION));

/** The JSON of a keyring that takes the place of the file, where there is a store of secrets that fills the environment. */
export const KEYRING_VARIABLE = "MOSAIC_SEAL_KEYS";

/**
 * Reads the sealing keys: from the environment where it holds them, otherwise from the file, which only its owner may read.
 *
 * @throws FederationError CONFIG_INVALID
 */
export function loadKeyring(file: string, environment: NodeJS.ProcessEnv = process.env): Keyring {
  const inEnvironment = environment[KEYRING_VARIABLE];
  return inEnvironment === undefined ? parse(readSecret(file), file) : parse(inEnvironment, KEYRING_VARIABLE);
}

/** Whether the sealing keys come from the environment, so that the file is not the place to change them. */
export function keyringIsInEnvironment(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environment[KEYRING_VARIABLE] !== undefined;
}

/**
 * Makes a file with one new key.
 *
 * @throws FederationError CONFLICT where there is a file already: losing its keys would lose what they seal
 */
export function createKeyringFile(file: string): Keyring {
  const keyring = { current: 1, keys: new Map([[1, randomBytes(KEY_BYTES)]]) };
  write(file, keyring, "new");
  return keyring;
}

/**
 * Adds a key to the file and makes it the current one.
 *
 * @throws FederationError CONFIG_INVALID
 */
export function addKey(file: string, environment: NodeJS.ProcessEnv = process.env): Keyring {
  if (keyringIsInEnvironment(environment)) {
    // Values sealed with a key of the file could not be opened by whoever reads the environment.
    throw new FederationError("CONFIG_INVALID", `the sealing keys are in ${KEYRING_VARIABLE}; add the new key there`);
  }
  const { keys } = parse(readSecret(file), file);
  const current = Math.max(...keys.keys()) + 1;
  const keyring = { current, keys: new Map([...keys, [current, randomBytes(KEY_BYTES)]]) };
  write(file, keyring, "replace");
  return keyring;
}

/**
 * Removes every key from the file that is neither current nor of a version in use.
 *
 * @throws FederationError CONFIG_INVALID
 */
export function removeUnusedKeys(file: string, versionsInUse: Iterable<number>): Keyring {
  const { current, keys } = parse(readSecret(file), file);
  const kept = new Set([...versionsInUse, current]);
  const keyring = { current, keys: new Map([...keys].filter(([version]) => kept.has(version))) };
  if (keyring.keys.size < keys.size) {
    write(file, keyring, "replace");
  }
  return keyring;
}

function parse(text: string, source: string): Keyring {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and the text is secret.
    value = undefined;
  }
  const parsed = keyringFile.safeParse(value);
  if (!parsed.success) {
    throw new FederationError(
      "CONFIG_INVALID",
      `${source} holds no sealing keys: {"version":1,"current":…,"keys":{…}}`,
    );
  }
  const { current, keys } = parsed.data;
  return {
    current,
    keys: new Map(Object.entries(keys).map(([version, key]) => [Number(version), Buffer.from(key, "base64")])),
  };
}

/** Writes the whole file beside its place and moves it there: after a crash it is the old one or the new one. */
function write(file: string, keyring: Keyring, mode: "new" | "replace"): void {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const keys = Object.fromEntries([...keyring.keys].map(([version, key]) => [version, key.toString("base64")]));
  const text = `${JSON.stringify({ version: 1, current: keyring.current, keys }, null, 2)}\n`;
  try {
    writeDurably(temporary, text);
    if (mode === "new") {
      // Unlike a rename, a link never replaces what is there.
      linkSync(temporary, file);
      rmSync(temporary);
    } else {
      renameSync(temporary, file);
    }
    syncDirectory(dirname(file));
  } catch (cause) {
    rmSync(temporary, { force: true });
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") {
      throw new FederationError("CONFLICT", `${file} holds sealing keys already`, { cause });
    }
    throw new FederationError("CONFIG_INVALID", `${file} cannot be written`, { cause });
  }
}

function writeDurably(file: string, text: string): void {
  const descriptor = openSync(file, "wx", 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A rename is durable once the directory is. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
