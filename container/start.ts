// What the image runs: makes the gateway on the first start, then serves.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const directory = process.env["MOSAIC_DIR"] ?? "/var/lib/mosaic";
const main = join(import.meta.dirname, "..", "dist", "main.js");
const configFile = join(directory, "mosaic.config.json");

function fileOf(variable: string): string {
  const file = process.env[variable];
  if (file === undefined) {
    throw new Error(`${variable} is not set: see "gateway" in docker-compose.yml`);
  }
  return file;
}

if (!existsSync(configFile)) {
  execFileSync(
    process.execPath,
    [
      ...[main, "init", "--dir", directory, "--tier", "federated", "--host", process.env["MOSAIC_HOST"] ?? "localhost"],
      ...["--step-ca-url", process.env["MOSAIC_STEP_CA_URL"] ?? "https://step-ca:9000"],
      ...["--step-ca-root", fileOf("MOSAIC_STEP_CA_ROOT_FILE"), "--step-ca-key", fileOf("MOSAIC_STEP_CA_KEY_FILE")],
    ],
    {
      stdio: "inherit",
      // Of this one process, and not of the gateway; an argument would be seen by all.
      env: {
        ...process.env,
        MOSAIC_DATABASE_URL: readFileSync(fileOf("MOSAIC_DATABASE_URL_FILE"), "utf8").trim(),
        MOSAIC_VALKEY_URL: readFileSync(fileOf("MOSAIC_VALKEY_URL_FILE"), "utf8").trim(),
      },
    },
  );
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
