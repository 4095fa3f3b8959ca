import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";

const { otelCollector } = readDescription(layoutOf(process.env).description) ?? {};
if (otelCollector === undefined) {
  throw new Error("the OpenTelemetry Collector does not run; start it with: npm run services:up");
}

/** Of the collector's OTLP receiver. */
export const collectorUrl = otelCollector.url;

/** A span as the collector wrote it (OTLP specification, "JSON Protobuf Encoding"). */
export interface CollectedSpan {
  /** `service.instance.id`: the gateway's host. */
  host: string;
  name: string;
  /** 1 internal, 2 server, 3 client. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  attributes: Record<string, unknown>;
  /** The code that it failed with. */
  fault: string | undefined;
  /** Ids of the spans that it names beside its parent. */
  links: string[];
}

interface KeyValue {
  key: string;
  value: Record<string, unknown>;
}
interface Resource {
  attributes: KeyValue[];
}
interface TraceLine {
  resourceSpans: {
    resource: Resource;
    scopeSpans: {
      spans: (Omit<CollectedSpan, "host" | "attributes" | "fault" | "links"> & {
        attributes?: KeyValue[];
        status?: { message?: string };
        links?: { spanId: string }[];
      })[];
    }[];
  }[];
}
interface MetricLine {
  resourceMetrics: { resource: Resource; scopeMetrics: { metrics: { name: string }[] }[] }[];
}

const plain = (attributes: KeyValue[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
const hostOf = (resource: Resource): string => String(plain(resource.attributes)["service.instance.id"]);
const linesOf = (file: string): string[] =>
  // The last one may still be on its way.
  existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];

/** Every line that tells of one of these gateways, as it is in the collector's files. */
export function linesAbout(hosts: readonly string[]): string[] {
  return [...linesOf(otelCollector?.tracesFile ?? ""), ...linesOf(otelCollector?.metricsFile ?? "")].filter((line) =>
    hosts.some((host) => line.includes(`"${host}"`)),
  );
}

/** The spans of a trace, once `enough` of them says so. */
export async function spansOf(
  traceId: string,
  enough: (spans: CollectedSpan[]) => boolean,
  seconds = 15,
): Promise<CollectedSpan[]> {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    const spans = linesOf(otelCollector?.tracesFile ?? "")
      .filter((line) => line.includes(traceId))
      .flatMap((line) => (JSON.parse(line) as TraceLine).resourceSpans)
      .flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap((scope) =>
          scope.spans.map(({ attributes, status, links = [], ...span }) => ({
            ...span,
            host: hostOf(resource),
            attributes: plain(attributes),
            fault: status?.message,
            links: links.map(({ spanId }) => spanId),
          })),
        ),
      )
      .filter((span) => span.traceId === traceId);
    if (enough(spans)) {
      return spans;
    }
    if (Date.now() > deadline) {
      throw new Error(`the collector has of ${traceId}: ${JSON.stringify(spans)}`);
    }
    await sleep(100);
  }
}

/** Names of the metrics of a gateway, so far. */
export function metricsOf(host: string): Set<string> {
  const found = linesOf(otelCollector?.metricsFile ?? "")
    .filter((line) => line.includes(`"${host}"`))
    .flatMap((line) => (JSON.parse(line) as MetricLine).resourceMetrics)
    .filter(({ resource }) => hostOf(resource) === host);
  return new Set(
    found.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics.map((m) => m.name))),
  );
}
