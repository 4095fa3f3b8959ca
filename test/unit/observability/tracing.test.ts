import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SpanKind } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import { freePorts } from "../../../src/demo/gateway-process.ts";
import { createLog } from "../../../src/observability/log.ts";
import { remoteSpan } from "../../../src/observability/span.ts";
import { telemetryTarget } from "../../../src/observability/telemetry-target.ts";
import { createTracing, UNTRACED } from "../../../src/observability/tracing.ts";
import type { Span } from "../../../src/observability/span.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

describe("a traceparent", () => {
  test("that is well-formed names a span of another", () => {
    expect(remoteSpan(PARENT)).toEqual({ traceId: TRACE, spanId: "00f067aa0ba902b7", traceFlags: 1, isRemote: true });
  });

  test.each([
    ["absent", undefined],
    ["there twice", [PARENT, PARENT]],
    ["twice in one line", `${PARENT}, ${PARENT}`],
    ["empty", ""],
    ["of zeros", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
    ["without a span", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["of another version", PARENT.replace("00-", "01-")],
    ["in capital letters", PARENT.toUpperCase()],
    ["longer", `${PARENT}-00`],
    ["with a line break", `${PARENT}\n`],
    ["huge", `00-${"a".repeat(1_000_000)}`],
  ])("that is %s names nothing", (_, header) => {
    expect(remoteSpan(header)).toBeUndefined();
  });
});

describe("without telemetry", () => {
  test("a span keeps the caller's trace together, and claims no span of its own", () => {
    const span = UNTRACED.start("federation.request", SpanKind.SERVER, PARENT);
    expect([span.traceId, span.traceparent, span.traceresponse]).toEqual([TRACE, PARENT, undefined]);
    expect(span.child("federation.sql")).toBe(span);
  });

  test("a span without a caller begins a trace, so that logs and audit rows have one", () => {
    const traces = new Set(Array.from({ length: 100 }, () => UNTRACED.start("a", SpanKind.SERVER, undefined).traceId));
    expect(traces.size).toBe(100);
  });
});

describe("where the receiver is away", () => {
  test("spans are dropped beyond a bounded queue: memory stays, and the log says so once", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const [port] = await freePorts(1);
    const stream = new PassThrough();
    const log = createLog("info", stream);
    const target = telemetryTarget(
      { host: "a.localhost", telemetry: { otlpUrl: `http://127.0.0.1:${port}`, sampleRatio: 1 } },
      log,
    );
    if (target === undefined) {
      throw new Error("there is a receiver to be away");
    }
    const tracing = createTracing(target, { sampleRatio: 1 });
    const burst = async (spans: number): Promise<number> => {
      for (let n = 0; n < spans; n += 1) {
        const span: Span = tracing.start("federation.request", SpanKind.SERVER, undefined);
        span.set({ grant_id: `grant ${n}`, verb: "list", latency_ms: n });
        span.child("federation.sql").end();
        span.end();
        if (n % 1_000 === 0) {
          await sleep(1);
        }
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = await burst(5_000);
    const after = await burst(100_000);
    // Two hundred thousand spans would be some 200 MB.
    expect(after - before).toBeLessThan(10_000_000);
    // The exporter tries for ten seconds before it gives a batch up.
    await sleep(23_000);
    await tracing.close();
    const lines = String(stream.read()).trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: 40 });
  });
});
