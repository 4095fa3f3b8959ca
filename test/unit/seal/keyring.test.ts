import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addKey, createKeyringFile, loadKeyring, removeUnusedKeys } from "../../../src/seal/keyring.ts";
import { codeOf } from "../pki/craft.ts";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mosaic-keyring-"));
  file = join(directory, "seal-keys.json");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});
const KEY = Buffer.alloc(32, 1).toString("base64");
const load = (environment = {}) => loadKeyring(file, environment);

test("a new file holds one key, is its owner's only, and is read back", () => {
  const keyring = createKeyringFile(file);
  expect(keyring.current).toBe(1);
  expect(load()).toEqual(keyring);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a file that exists is never replaced by a new one", () => {
  createKeyringFile(file);
  const before = readFileSync(file);
  expect(codeOf(() => createKeyringFile(file))).toBe("CONFLICT");
  expect(readFileSync(file)).toEqual(before);
});

test("a key that is added becomes current, the old ones stay, and nothing else is left in the directory", () => {
  const first = createKeyringFile(file);
  const second = addKey(file, {});
  expect(second.current).toBe(2);
  expect(second.keys.get(1)).toEqual(first.keys.get(1));
  expect(load()).toEqual(second);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(["seal-keys.json"]);
});

test("only keys that are neither current nor in use are removed", () => {
  createKeyringFile(file);
  addKey(file, {});
  addKey(file, {});
  expect([...removeUnusedKeys(file, [1]).keys.keys()]).toEqual([1, 3]);
  expect([...removeUnusedKeys(file, []).keys.keys()]).toEqual([3]);
  expect([...load().keys.keys()]).toEqual([3]);
});

test("a version is not used again after its key was removed", () => {
  createKeyringFile(file);
  addKey(file, {});
  removeUnusedKeys(file, []);
  expect(addKey(file, {}).current).toBe(3);
});

test("keys in the environment take the place of the file, and are not changed in the file", () => {
  createKeyringFile(file);
  const environment = { MOSAIC_SEAL_KEYS: JSON.stringify({ version: 1, current: 7, keys: { "7": KEY } }) };
  expect(load(environment)).toEqual({ current: 7, keys: new Map([[7, Buffer.alloc(32, 1)]]) });
  expect(codeOf(() => addKey(file, environment))).toBe("CONFIG_INVALID");
});

test("a file that others may read is refused", () => {
  createKeyringFile(file);
  chmodSync(file, 0o640);
  expect(codeOf(load)).toBe("CONFIG_INVALID");
});

test.each<[string, string]>([
  ["no JSON", "{"],
  ["another version", JSON.stringify({ version: 2, current: 1, keys: { "1": KEY } })],
  ["no current key", JSON.stringify({ version: 1, current: 2, keys: { "1": KEY } })],
  ["a short key", JSON.stringify({ version: 1, current: 1, keys: { "1": "AAAA" } })],
  ["a key that is not base64", JSON.stringify({ version: 1, current: 1, keys: { "1": "*".repeat(44) } })],
  ["a version that is no number", JSON.stringify({ version: 1, current: 1, keys: { "1": KEY, x: KEY } })],
  [
    "a version that does not fit in four bytes",
    JSON.stringify({ version: 1, current: 1, keys: { "1": KEY, "9999999999": KEY } }),
  ],
  ["an unknown field", JSON.stringify({ version: 1, current: 1, keys: { "1": KEY }, note: "x" })],
])("a file with %s is refused", (_name, text) => {
  writeFileSync(file, text, { mode: 0o600 });
  expect(codeOf(load)).toBe("CONFIG_INVALID");
});

test("a file that is missing is refused", () => {
  expect(codeOf(load)).toBe("CONFIG_INVALID");
});
