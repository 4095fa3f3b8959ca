// What the image runs: makes the gateway on the first start, then serves.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const directory = process.env["MOSAIC_DIR"] ?? "/var/lib/mosaic";
const main = join(import.meta.dirname, "..", "dist", "main.js");
const configFile = join(directory, "mosaic.config.json");

if (!existsSync(configFile)) {
  const urlFile = process.env["MOSAIC_DATABASE_URL_FILE"];
  if (urlFile === undefined) {
    throw new Error("MOSAIC_DATABASE_URL_FILE is not set: it names a file with an administrator's connection string");
  }
  const host = process.env["MOSAIC_HOST"] ?? "localhost";
  execFileSync(process.execPath, [main, "init", "--dir", directory, "--tier", "standalone", "--host", host], {
    stdio: "inherit",
    // Of this one process, and not of the gateway; an argument would be seen by all.
    env: { ...process.env, MOSAIC_DATABASE_URL: readFileSync(urlFile, "utf8").trim() },
  });
}

// Loopback within a container is reached by nobody: what is published from it decides who may come in.
const config = JSON.parse(readFileSync(configFile, "utf8")) as {
  listeners: Record<"federation" | "public", { address?: string }>;
};
for (const listener of [config.listeners.federation, config.listeners.public]) {
  listener.address ??= "0.0.0.0";
}
writeFileSync(configFile, `${JSON.stringify(config, null, 2)}\n`);

process.argv.splice(1, process.argv.length, main, "serve", "--dir", directory);
await import(pathToFileURL(main).href);
