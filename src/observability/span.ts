import { randomBytes } from "node:crypto";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, Span as ApiSpan, SpanContext, Tracer } from "@opentelemetry/api";
import type { ErrorCode } from "../errors.ts";

/** What a span says of its request: names from a fixed list, ids, numbers; never a parameter, a row or a name that a caller chose. */
export type Attributes = Record<string, string | number | boolean | undefined>;

/** Work that can be followed across gateways (OpenTelemetry specification, "Tracing API"). Without telemetry it is its ids only. */
export interface Span {
  /** 32 hex digits. */
  readonly traceId: string;
  /** The header that says to the next that its work is part of this (W3C Trace Context §3.2). */
  readonly traceparent: string;
  /** The header that says to the caller what was done for it (W3C Trace Context HTTP Response Headers Format); undefined where nothing is recorded. */
  readonly traceresponse: string | undefined;
  /** Work within this one. */
  child(name: string, kind?: SpanKind): Span;
  set(attributes: Attributes): void;
  /** Names the work of the one who was asked, by its `traceresponse`: it may have begun a trace of its own. What is malformed is ignored. */
  link(traceresponse: string | string[] | undefined): void;
  /** @param fault the code that it failed with */
  end(fault?: ErrorCode): void;
}

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 1;

/** What another's `traceparent` or `traceresponse` names, where it is well-formed. */
export function remoteSpan(header: string | string[] | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = (typeof header === "string" ? TRACEPARENT.exec(header) : null) ?? [];
  return traceId === undefined || spanId === undefined || flags === undefined
    ? undefined
    : { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
}

function newContext(): Omit<SpanContext, "isRemote"> {
  // Drawn at once: each drawing has its price.
  const ids = randomBytes(24).toString("hex");
  return { traceId: ids.slice(0, 32), spanId: ids.slice(32), traceFlags: SAMPLED };
}

/** A span that nobody records: it keeps the caller's trace together, or begins one, so that logs and audit rows have its id. */
export function unrecordedSpan(parent?: SpanContext): Span {
  const ids = parent ?? newContext();
  const span: Span = {
    traceId: ids.traceId,
    traceparent: traceparentOf(ids),
    traceresponse: undefined,
    child: () => span,
    set: () => undefined,
    link: () => undefined,
    end: () => undefined,
  };
  return span;
}

/** A span that `tracer` records. */
export function recordedSpan(tracer: Tracer, name: string, kind: SpanKind, parent: SpanContext | undefined): Span {
  const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  return wrap(tracer, tracer.startSpan(name, { kind }, context));
}

function wrap(tracer: Tracer, span: ApiSpan): Span {
  const ids = span.spanContext();
  const context: Context = trace.setSpan(ROOT_CONTEXT, span);
  return {
    traceId: ids.traceId,
    traceparent: traceparentOf(ids),
    traceresponse: traceparentOf(ids),
    child: (name, kind = SpanKind.INTERNAL) => wrap(tracer, tracer.startSpan(name, { kind }, context)),
    set: (attributes) => {
      span.setAttributes(attributes);
    },
    link: (traceresponse) => {
      const context = remoteSpan(traceresponse);
      if (context !== undefined) {
        span.addLink({ context });
      }
    },
    end: (fault) => {
      if (fault !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
      }
      span.end();
    },
  };
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}
