import { setTimeout as sleep } from "node:timers/promises";
import type { SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { recordedSpan, remoteSpan, unrecordedSpan } from "./span.ts";
import type { Span } from "./span.ts";
import type { TelemetryTarget } from "./telemetry-target.ts";

/** Where spans begin. */
export interface Tracing {
  /**
   * Begins the span of a request.
   *
   * @param traceparent the caller's header: its trace goes on here, and it decides nothing else
   */
  start(name: string, kind: SpanKind, traceparent: string | string[] | undefined): Span;
  /** Sends what waits, for 5 s at most. */
  close(): Promise<void>;
}

/** No telemetry: spans are their ids. */
export const UNTRACED: Tracing = {
  start: (_name, _kind, traceparent) => unrecordedSpan(remoteSpan(traceparent)),
  close: () => Promise.resolve(),
};

const SHUTDOWN_MS = 5_000;

/**
 * Spans that go to an OTLP receiver in batches, off the path of requests; where it is away, as many wait as the
 * SDK lets wait (2 048), and the others are dropped.
 *
 * @param options.sampleRatio the share of traces that is recorded, 0 to 1: by the trace's id, so that gateways choose the same ones
 */
export function createTracing(target: TelemetryTarget, options: { sampleRatio: number }): Tracing {
  const ratio = new TraceIdRatioBasedSampler(options.sampleRatio);
  const provider = new TracerProvider({
    resource: target.resource,
    // A caller's flag does not decide what is recorded here; who makes up trace ids can, and the audit log has its requests in any case.
    sampler: new ParentBasedSampler({ root: ratio, remoteParentSampled: ratio, remoteParentNotSampled: ratio }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: target.watch(
          new OTLPTraceExporter(target.url === undefined ? {} : { url: `${target.url}/v1/traces` }),
        ),
        scheduledDelayMillis: 1_000,
      }),
    ],
  });
  const tracer = provider.getTracer("mosaic-federation");
  return {
    start: (name, kind, traceparent) => recordedSpan(tracer, name, kind, remoteSpan(traceparent)),
    close: async () => {
      await Promise.race([provider.shutdown(), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
    },
  };
}
