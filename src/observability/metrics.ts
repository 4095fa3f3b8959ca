import type { IncomingMessage, ServerResponse } from "node:http";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

/** What a gateway counts of itself. */
export interface Metrics {
  /** A request of a peer, served or refused. */
  countRequest(labels: { verb: string; outcome: string; code: string }, latencyMs: number): void;
  /** Something that is read when somebody asks. `counter` only grows. */
  observe(name: string, kind: "gauge" | "counter", description: string, read: () => number): void;
  /** Answers with all of them (Prometheus text format). */
  serve(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

/** Metrics by OpenTelemetry, in this process only. No label holds who asked, nor for what. */
export function createMetrics(): Metrics {
  const exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const provider = new MeterProvider({ readers: [exporter] });
  const meter = provider.getMeter("mosaic-federation");
  const requests = meter.createCounter("mosaic_requests", { description: "Requests of peers, by how they ended." });
  const latency = meter.createHistogram("mosaic_request_duration", {
    description: "From the first byte of a peer's request to its answer.",
    unit: "ms",
    advice: { explicitBucketBoundaries: [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] },
  });
  return {
    countRequest: (labels, latencyMs) => {
      requests.add(1, labels);
      latency.record(latencyMs, { verb: labels.verb, outcome: labels.outcome });
    },
    observe: (name, kind, description, read) => {
      const instrument =
        kind === "gauge"
          ? meter.createObservableGauge(name, { description })
          : meter.createObservableCounter(name, { description });
      instrument.addCallback((result) => {
        result.observe(read());
      });
    },
    serve: (request, response) => {
      exporter.getMetricsRequestHandler(request, response);
    },
    close: () => provider.shutdown(),
  };
}
