import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "./layout.ts";

/** The passwords, made on the first call and kept. */
export interface Passwords {
  postgres: string;
  valkey: string;
}

/** Makes the folders and passwords. */
export function prepareSecrets(layout: Layout): Passwords {
  mkdirSync(layout.folder, { recursive: true });
  chmodSync(layout.folder, 0o700);
  for (const folder of [layout.bin, layout.authority, layout.secrets, layout.run, layout.log]) {
    mkdirSync(folder, { recursive: true });
  }
  const passwords = { postgres: secret(layout, "postgres-password"), valkey: secret(layout, "valkey-password") };
  // The server's own way to be given a password by file: a configuration file that says nothing else.
  writeFileSync(join(layout.secrets, "valkey-auth.conf"), `requirepass ${passwords.valkey}\n`, { mode: 0o600 });
  // How the gateway in a container reaches them.
  writeFileSync(
    join(layout.secrets, "gateway-database-url"),
    `postgres://postgres:${passwords.postgres}@pgvector:5432/mosaic\n`,
    { mode: 0o600 },
  );
  writeFileSync(join(layout.secrets, "gateway-valkey-url"), `valkey://:${passwords.valkey}@valkey:6379\n`, {
    mode: 0o600,
  });
  return passwords;
}

/** A secret by its name: read, or made of 192 random bits. */
export function secret(layout: Layout, name: string): string {
  const file = join(layout.secrets, name);
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  }
  return readFileSync(file, "utf8").trim();
}

/**
 * Copies a secret to where a server finds it, readable to that server's user alone. The folder must be one that this user cannot write
 * to: in another, root could be made to write to any file of the machine by a link in its place.
 *
 * @param owner undefined where the server runs as who runs this
 */
export function handOver(layout: Layout, name: string, target: string, owner: number | undefined): void {
  copyFileSync(join(layout.secrets, name), target);
  chmodSync(target, 0o600);
  if (owner !== undefined) {
    chownSync(target, owner, owner);
  }
}
