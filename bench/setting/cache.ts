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

/** What a loaded database is made of, beside what a gateway brings up to date when it starts: rows, and what registration writes. */
const MADE_OF = ["sql/50_resources/*.sql", "bench/setting/*.sql", "bench/setting/work.ts", "bench/setting/sizes.ts"];

/** Of everything that a loaded database is made of, so that an older one is not measured; hex. */
export function fingerprint(): string {
  const hash = createHash("sha256");
  for (const file of globSync(MADE_OF, { cwd: ROOT }).sort()) {
    hash.update(file).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest("hex");
}
