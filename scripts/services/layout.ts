import { join, resolve } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";

/** What is installed and started, and in which release. docker-compose.yml names the same ones. */
export const VERSIONS = { stepCa: "0.30.2", otelCollector: "0.165.0", postgres: "17", debian: "trixie" } as const;

/** The services in the order in which they start. */
export const SERVICES = ["postgres", "valkey", "step-ca", "otel-collector"] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Where everything of the services lies and where they listen. */
export interface Layout {
  /** Mode 0700: nobody else passes, whatever the modes below are. */
  folder: string;
  /** Programs that were built. */
  bin: string;
  /** The Debian root folder with PostgreSQL and Valkey; their data lies in it, below `srv/`. */
  rootfs: string;
  /** The root's key and the provisioner's: what no server is given. */
  authority: string;
  /** All that step-ca is given. */
  stepCa: string;
  /** All that the OpenTelemetry Collector is given, and what it wrote. */
  otelCollector: string;
  /** Passwords, one a file. */
  secrets: string;
  /** One file for each process that was started. */
  run: string;
  log: string;
  /** What tests read. */
  description: string;
  ports: Record<ServiceName, number>;
}

/**
 * Reads `MOSAIC_SERVICES_DIR` and the ports.
 *
 * @throws Error where a port is none
 */
export function layoutOf(env: NodeJS.ProcessEnv): Layout {
  const folder = resolve(packageRoot(), env["MOSAIC_SERVICES_DIR"] ?? ".services");
  const port = (name: string, standard: number): number => {
    const value = Number(env[name] ?? standard);
    if (!Number.isInteger(value) || value < 1 || value > 65_535) {
      throw new Error(`${name} must be a port, 1 to 65535, and is ${env[name] ?? ""}`);
    }
    return value;
  };
  return {
    folder,
    bin: join(folder, "bin"),
    rootfs: join(folder, "rootfs"),
    authority: join(folder, "authority"),
    stepCa: join(folder, "step-ca"),
    otelCollector: join(folder, "otel-collector"),
    secrets: join(folder, "secrets"),
    run: join(folder, "run"),
    log: join(folder, "log"),
    description: join(folder, "services.json"),
    ports: {
      postgres: port("MOSAIC_SERVICES_POSTGRES_PORT", 5433),
      valkey: port("MOSAIC_SERVICES_VALKEY_PORT", 6380),
      "step-ca": port("MOSAIC_SERVICES_STEP_CA_PORT", 9000),
      "otel-collector": port("MOSAIC_SERVICES_OTEL_COLLECTOR_PORT", 4318),
    },
  };
}
