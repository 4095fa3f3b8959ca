import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { Client } from "pg";
import { BEGIN } from "./begin.ts";

/** One file of `sql/`: its path relative to that folder, with forward slashes, and its text. */
export interface SqlFile {
  path: string;
  text: string;
}

/** The files of a `sql/` folder in the order in which they are applied: by path, folder by folder. */
export function readSqlFiles(folder: string): SqlFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sql"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(folder, file).split(sep).join("/"), text: readFileSync(file, "utf8") }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function hashOf(files: readonly SqlFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.path}\n${file.text.length}\n${file.text}\n`);
  }
  return hash.digest("hex");
}

/** Whether these files were the last to be applied. */
export async function isApplied(client: Client, files: readonly SqlFile[]): Promise<boolean> {
  const { rows } = await client.query<{ value: string }>(
    "select value from federation.federation_settings where name = 'sql_hash'",
  );
  return rows[0]?.value === hashOf(files);
}

/**
 * Applies functions, policies, triggers and views in one transaction as `federation_owner`; does nothing where the same
 * files were applied last. The caller holds the lock that serialises gateways.
 *
 * @returns whether anything was applied
 * @throws the database's error, with the file's path in its message
 */
export async function applySql(client: Client, files: readonly SqlFile[]): Promise<boolean> {
  await client.query(BEGIN);
  try {
    await client.query("set local role federation_owner");
    await client.query("set local client_min_messages = warning");
    if (await isApplied(client, files)) {
      await client.query("commit");
      return false;
    }
    // A SQL function may name one that a later file makes.
    await client.query("set local check_function_bodies = off");
    for (const file of files) {
      try {
        await client.query(file.text);
      } catch (cause) {
        throw new Error(`sql/${file.path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    }
    await client.query(
      `insert into federation.federation_settings (name, value) values ('sql_hash', $1)
       on conflict (name) do update set value = excluded.value, updated_at = now()`,
      [hashOf(files)],
    );
    await client.query("commit");
    return true;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

/**
 * Runs work where the functions of some files are those of this release, whatever the database holds under their names, and leaves the database
 * as it was: for what must not believe the database's own functions.
 *
 * @param client outside of a transaction, of a login that may be federation_owner
 */
export async function withShippedSql<T>(client: Client, files: readonly SqlFile[], work: () => Promise<T>): Promise<T> {
  await client.query(BEGIN);
  try {
    await client.query("set local role federation_owner");
    await client.query("set local client_min_messages = warning");
    await client.query("set local check_function_bodies = off");
    for (const file of files) {
      await client.query(file.text);
    }
    return await work();
  } finally {
    await client.query("rollback");
  }
}
