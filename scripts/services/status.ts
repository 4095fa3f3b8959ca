import { readFileSync } from "node:fs";
import type { Layout, ServiceName } from "./layout.ts";
import { collectorAnswers } from "./otel-collector.ts";
import type { CollectorDescription } from "./otel-collector.ts";
import { postgresVersion } from "./postgres.ts";
import { runningPid } from "./processes.ts";
import { stepCaVersion } from "./step-ca.ts";
import { valkeyVersion } from "./valkey.ts";

/** What tests read to reach the services: `services.json`. */
export interface Description {
  /** What runs them. */
  engine: "docker" | "native";
  /** Each is there once it has been seen healthy. */
  postgres?: { url: string };
  valkey?: { url: string };
  stepCa?: {
    url: string;
    rootFile: string;
    /** SHA-256, hex. */
    rootFingerprint: string;
    rootCrlFile: string;
    /** What certificates must name as the place of the list (`user.crlUrl` of a token). */
    crlUrl: string;
    provisioner: string;
    keyFile: string;
  };
  otelCollector?: CollectorDescription;
}

/** One line of `status`. */
export interface ServiceStatus {
  service: ServiceName;
  version: string | null;
  address: string;
  /** Of the process that was started; null in a container. */
  pid: number | null;
  healthy: boolean;
}

/** Reads `services.json`; undefined where nothing was started. */
export function readDescription(file: string): Description | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Description;
  } catch {
    return undefined;
  }
}

/** Asks each service how it is. */
export async function statusOf(layout: Layout): Promise<ServiceStatus[]> {
  const { postgres, valkey, stepCa, otelCollector } = readDescription(layout.description) ?? {};
  const [database, memory, authority, collector] = await Promise.all([
    postgres && postgresVersion(postgres.url),
    valkey && valkeyVersion(valkey.url),
    stepCa && stepCaVersion(stepCa),
    otelCollector && collectorAnswers(otelCollector.url),
  ]);
  const line = (service: ServiceName, version: string | undefined, url: string | undefined): ServiceStatus => ({
    service,
    version: version ?? null,
    address: url === undefined ? `127.0.0.1:${layout.ports[service]}` : new URL(url).host,
    pid: runningPid(layout, service) ?? null,
    healthy: version !== undefined,
  });
  return [
    line("postgres", database && `${database.server}, pgvector ${database.pgvector ?? "missing"}`, postgres?.url),
    line("valkey", memory, valkey?.url),
    line("step-ca", authority, stepCa?.url),
    line("otel-collector", collector === true ? otelCollector?.version : undefined, otelCollector?.url),
  ];
}
