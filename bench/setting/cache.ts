import { createHash } from "node:crypto";
import { chmodSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** What is kept between runs; git ignores it. */
export function cacheFolder(): string {
  const folder = join(ROOT, ".cache", "bench");
  mkdirSync(folder, { recursive: true });
  // The server runs as nobody where we are root.
  chmodSync(folder, 0o755);
  return folder;
}

/** Of everything that decides what a loaded database is like, so that one of older code is not measured; hex. */
export function fingerprint(): string {
  const hash = createHash("sha256");
  for (const file of globSync(["migrations/committed/*.sql", "sql/**/*.sql", "bench/setting/*"], {
    cwd: ROOT,
  }).sort()) {
    hash.update(file).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest("hex");
}
