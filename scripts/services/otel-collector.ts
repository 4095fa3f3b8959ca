import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";
import { VERSIONS } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { isRoot, runningPid, startConfined, UNPRIVILEGED, waitUntil } from "./processes.ts";
import { findProgram, run } from "./run.ts";

const TIMEOUT_MS = 3_000;

/** What tests read of the collector. */
export interface CollectorDescription {
  /** Of its OTLP receiver over HTTP, without a path. */
  url: string;
  /** What came, one `ExportTraceServiceRequest` or `ExportMetricsServiceRequest` a line, as JSON (OTLP specification, "JSON Protobuf Encoding"). */
  tracesFile: string;
  metricsFile: string;
  /** The release that was started. */
  version: string;
}

/** The file that a build of this release makes. */
function builtFile(layout: Layout): string {
  return join(layout.bin, `otel-collector-${VERSIONS.otelCollector}`);
}

export function hasCollector(layout: Layout): boolean {
  return existsSync(builtFile(layout));
}

/** Builds the collector of services/otel-collector from what its go.sum pins, as published on the Go module proxy. */
export async function buildCollector(layout: Layout): Promise<void> {
  const go = findProgram("go", ["/usr/local/go/bin"]);
  if (go === undefined) {
    throw new Error(
      "Go is not installed: it takes 1.21 or newer, which fetches the one it needs, from https://go.dev/dl/",
    );
  }
  const built = join(layout.bin, "otel-collector");
  await run(
    go,
    [
      ...["build", "-C", join(packageRoot(), "services", "otel-collector"), "-mod=readonly", "-trimpath"],
      ...["-ldflags", `-s -w -X main.version=${VERSIONS.otelCollector}`, "-o", built, "."],
    ],
    { env: { CGO_ENABLED: "0" }, log: join(layout.log, "go-build.log"), timeoutSeconds: 2_400 },
  );
  copyFileSync(built, builtFile(layout));
}

/** How it is reached, and where what came can be read. */
export function describeCollector(layout: Layout): CollectorDescription {
  const data = join(layout.otelCollector, "data");
  return {
    url: `http://127.0.0.1:${layout.ports["otel-collector"]}`,
    tracesFile: join(data, "traces.jsonl"),
    metricsFile: join(data, "metrics.jsonl"),
    version: VERSIONS.otelCollector,
  };
}

/**
 * Writes the collector's configuration, and makes the folder that it writes to.
 *
 * @param place.base where it sees its folder
 * @param place.endpoint address and port of its receiver
 */
export function writeCollectorConfig(layout: Layout, place: { base: string; endpoint: string }): void {
  for (const folder of ["bin", "config", "data"]) {
    mkdirSync(join(layout.otelCollector, folder), { recursive: true });
  }
  // Rotated, so that what nobody reads any more does not fill the disk.
  const file = (name: string): unknown => ({
    path: `${place.base}/data/${name}.jsonl`,
    format: "json",
    flush_interval: "100ms",
    rotation: { max_megabytes: 50, max_backups: 1 },
  });
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: place.endpoint } } } },
    exporters: { "file/traces": file("traces"), "file/metrics": file("metrics") },
    service: {
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
      pipelines: {
        traces: { receivers: ["otlp"], exporters: ["file/traces"] },
        metrics: { receivers: ["otlp"], exporters: ["file/metrics"] },
      },
    },
  };
  // JSON is YAML, which is what the collector reads.
  writeFileSync(join(layout.otelCollector, "config", "config.yaml"), `${JSON.stringify(config, null, 2)}\n`, {
    mode: 0o644,
  });
}

/** Starts the collector on loopback: as root within its own folder and as an unprivileged user, otherwise as who runs this. */
export async function startCollector(layout: Layout): Promise<void> {
  const { url } = describeCollector(layout);
  const base = isRoot() ? "" : layout.otelCollector;
  writeCollectorConfig(layout, { base, endpoint: new URL(url).host });
  const data = join(layout.otelCollector, "data");
  chmodSync(data, 0o755);
  if (isRoot()) {
    chownSync(data, UNPRIVILEGED, UNPRIVILEGED);
  }
  copyFileSync(builtFile(layout), join(layout.otelCollector, "bin", "otel-collector"));
  const { logFile } = startConfined(layout, "otel-collector", layout.otelCollector, [
    "/bin/otel-collector",
    "--config",
    `file:${base}/config/config.yaml`,
  ]);
  await waitUntil(() => collectorAnswers(url), {
    alive: () => runningPid(layout, "otel-collector") !== undefined,
    logFile,
    seconds: 30,
  });
}

/** Whether an OTLP receiver takes traces there: nothing, in this case. */
export async function collectorAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ resourceSpans: [] }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok && "partialSuccess" in ((await response.json()) as object);
  } catch {
    return false;
  }
}
