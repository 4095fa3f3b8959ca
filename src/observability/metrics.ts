import type { IncomingMessage, ServerResponse } from "node:http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import type { TelemetryTarget } from "./telemetry-target.ts";

/** A number that is read when somebody asks, with its labels. */
export interface Reading {
  value: number;
  labels?: Record<string, string>;
}

/** What a gateway counts of itself. */
export interface Metrics {
  /** A request of a peer, served or refused. */
  countRequest(labels: { verb: string; outcome: string; code: string }, latencyMs: number): void;
  /** A request of ours to a peer, answered by it, by the cache, or not at all. */
  countPeerRequest(labels: { peer: string; verb: string; code: string; cached: boolean }, latencyMs: number): void;
  /** Something that is read when somebody asks. `counter` only grows. */
  observe(name: string, kind: "gauge" | "counter", description: string, read: () => number | Reading[]): void;
  /** Answers with all of them (Prometheus text format). */
  serve(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

const LATENCIES_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/**
 * Metrics by OpenTelemetry. No label holds who asked, nor for what.
 *
 * @param target an OTLP receiver that gets them, too, every ten seconds
 */
export function createMetrics(target?: TelemetryTarget): Metrics {
  const exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const provider = new MeterProvider({
    ...(target === undefined ? {} : { resource: target.resource }),
    readers: [
      exporter,
      ...(target === undefined
        ? []
        : [
            new PeriodicExportingMetricReader({
              exporter: target.watch(
                new OTLPMetricExporter(target.url === undefined ? {} : { url: `${target.url}/v1/metrics` }),
              ),
              exportIntervalMillis: 10_000,
              exportTimeoutMillis: 5_000,
            }),
          ]),
    ],
  });
  const meter = provider.getMeter("mosaic-federation");
  const requests = meter.createCounter("mosaic_requests", { description: "Requests of peers, by how they ended." });
  const latency = meter.createHistogram("mosaic_request_duration_milliseconds", {
    description: "From the first byte of a peer's request to its answer.",
    unit: "ms",
    advice: { explicitBucketBoundaries: LATENCIES_MS },
  });
  const peerRequests = meter.createCounter("mosaic_peer_requests", {
    description: "Requests of local users to peers, by how they ended.",
  });
  const peerLatency = meter.createHistogram("mosaic_peer_request_duration_milliseconds", {
    description: "From a local user's request to the peer's answer or the cache's.",
    unit: "ms",
    advice: { explicitBucketBoundaries: LATENCIES_MS },
  });
  return {
    countRequest: (labels, latencyMs) => {
      requests.add(1, labels);
      latency.record(latencyMs, { verb: labels.verb, outcome: labels.outcome });
    },
    countPeerRequest: (labels, latencyMs) => {
      peerRequests.add(1, labels);
      peerLatency.record(latencyMs, { peer: labels.peer, verb: labels.verb, cached: labels.cached });
    },
    observe: (name, kind, description, read) => {
      const instrument =
        kind === "gauge"
          ? meter.createObservableGauge(name, { description })
          : meter.createObservableCounter(name, { description });
      instrument.addCallback((result) => {
        const readings = read();
        const all: Reading[] = typeof readings === "number" ? [{ value: readings }] : readings;
        for (const { value, labels } of all) {
          result.observe(value, labels);
        }
      });
    },
    serve: (request, response) => {
      exporter.getMetricsRequestHandler(request, response);
    },
    close: () => provider.shutdown(),
  };
}
