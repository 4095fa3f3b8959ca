import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "./layout.ts";

/** The passwords, made on the first call and kept. */
export interface Passwords {
  postgres: string;
  valkey: string;
}

/**
 * A folder that nobody else enters, with the files that servers in containers read. A file that is mounted into a container keeps its
 * mode and owner, and the server in there has a user of its own: so these files are readable to all, and the folder above is not.
 */
export const SHARED = 0o644;

/** Makes the folders and passwords. */
export function prepareSecrets(layout: Layout): Passwords {
  mkdirSync(layout.folder, { recursive: true });
  chmodSync(layout.folder, 0o700);
  for (const folder of [layout.bin, layout.authority, layout.secrets, layout.run, layout.log]) {
    mkdirSync(folder, { recursive: true });
  }
  const passwords = { postgres: secret(layout, "postgres-password"), valkey: secret(layout, "valkey-password") };
  // The server's own way to be given a password by file: a configuration file that says nothing else.
  writeFileSync(join(layout.secrets, "valkey-auth.conf"), `requirepass ${passwords.valkey}\n`, { mode: SHARED });
  // How the gateway in a container reaches them.
  writeFileSync(
    join(layout.secrets, "gateway-database-url"),
    `postgres://postgres:${passwords.postgres}@pgvector:5432/mosaic\n`,
    { mode: SHARED },
  );
  return passwords;
}

/** A secret by its name: read, or made of 192 random bits. */
export function secret(layout: Layout, name: string): string {
  const file = join(layout.secrets, name);
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString("hex"), { mode: SHARED });
  }
  return readFileSync(file, "utf8").trim();
}
