import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";
import { writeStepCaConfig } from "./authority.ts";
import type { AuthorityFiles } from "./authority.ts";
import type { Layout, ServiceName } from "./layout.ts";
import { writeCollectorConfig } from "./otel-collector.ts";
import { findProgram, run } from "./run.ts";
import { crlUrl } from "./step-ca.ts";

/** The services of docker-compose.yml that are ours. The gateway is not among them: it is what is being developed. */
const CONTAINERS: Record<ServiceName, string> = {
  postgres: "pgvector",
  valkey: "valkey",
  "step-ca": "step-ca",
  "otel-collector": "otel-collector",
};

/** Whether an engine answers and has compose. `MOSAIC_SERVICES_ENGINE=native` does without. */
export async function hasDocker(): Promise<boolean> {
  if (process.env["MOSAIC_SERVICES_ENGINE"] === "native" || findProgram("docker") === undefined) {
    return false;
  }
  try {
    await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeoutSeconds: 10 });
    await run("docker", ["compose", "version"], { timeoutSeconds: 10 });
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes what the containers are given.
 *
 * @param host the gateway's, by which peers reach it
 */
export function prepareContainers(layout: Layout, files: AuthorityFiles, host: string | undefined): void {
  writeStepCaConfig(layout, files, {
    config: "/etc/step-ca",
    key: "/run/secrets/step-ca-intermediate-key",
    database: "/home/step/step-ca.db",
    address: ":9000",
    dnsNames: ["localhost", "127.0.0.1", "step-ca"],
    // Where peers can reach it: the gateway's public listener shows step-ca's list.
    crlUrl: host === undefined ? crlUrl(layout) : `https://${host}:8444/crl`,
  });
  writeCollectorConfig(layout, { base: "/otel-collector", endpoint: ":4318" });
  // The container's user writes there; nobody else gets as far as this folder.
  chmodSync(join(layout.otelCollector, "data"), 0o777);
  // The one file of the authority's folder that the gateway is given.
  copyFileSync(files.keyFile, join(layout.secrets, "step-ca-provisioner-key"));
  for (const folder of [layout.stepCa, join(layout.stepCa, "config"), layout.secrets]) {
    chmodSync(folder, 0o755);
  }
  // A file keeps its mode and owner in a container, where the server has a user of its own. So the files are readable to all; the
  // folder above them lets nobody in.
  for (const name of readdirSync(layout.secrets)) {
    chmodSync(join(layout.secrets, name), 0o644);
  }
}

/** Starts the containers and waits until each is healthy. */
export async function startContainers(layout: Layout): Promise<void> {
  await compose(layout, ["up", "--detach", "--wait", ...Object.values(CONTAINERS)], 900);
}

/** Stops the containers; their volumes stay. */
export async function stopContainers(layout: Layout): Promise<void> {
  await compose(layout, ["rm", "--force", "--stop", ...Object.values(CONTAINERS)], 120);
}

async function compose(layout: Layout, args: string[], timeoutSeconds: number): Promise<void> {
  const file = join(packageRoot(), "docker-compose.yml");
  // Folders of their own are projects of their own, so that two of them can run beside each other.
  const project = process.env["MOSAIC_SERVICES_DIR"] === undefined ? [] : ["--project-name", projectName(layout)];
  await run(
    "docker",
    ["compose", "--file", file, ...project, "--profile", "federated", "--profile", "telemetry", ...args],
    {
      env: {
        MOSAIC_SERVICES_DIR: layout.folder,
        MOSAIC_SERVICES_POSTGRES_PORT: String(layout.ports.postgres),
        MOSAIC_SERVICES_VALKEY_PORT: String(layout.ports.valkey),
        MOSAIC_SERVICES_STEP_CA_PORT: String(layout.ports["step-ca"]),
        MOSAIC_SERVICES_UID: String(process.getuid?.() ?? 0),
        MOSAIC_SERVICES_OTEL_COLLECTOR_PORT: String(layout.ports["otel-collector"]),
      },
      log: join(layout.log, "compose.log"),
      timeoutSeconds,
    },
  );
}

function projectName(layout: Layout): string {
  return `mosaic-${basename(layout.folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "")}`;
}
