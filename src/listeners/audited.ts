import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { rateLimitHeaders } from "../admission/admit.ts";
import type { Admission } from "../admission/admit.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { FederationError } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Span } from "../observability/span.ts";
import { outcomeOf } from "../verbs/outcome.ts";
import { errorAnswer } from "./http.ts";
import type { Answer } from "./http.ts";

/** The audit row of a request that just came. */
export function newEntry({ traceId }: Pick<Span, "traceId">): AuditEntry {
  return {
    at: new Date().toISOString(),
    verb: "unknown",
    outcome: "served",
    code: "OK",
    request_id: randomUUID(),
    trace_id: traceId,
  };
}

/**
 * Makes an answer one that may leave: with what is left of the grant's share, and for a grant that is audited strictly once its audit row is
 * durable. Where that cannot be had it becomes a refusal that holds nothing of it.
 */
export type Auditing = (
  entry: AuditEntry,
  ready: Answer,
  refusal: FederationError | undefined,
  granted: Admission | undefined,
) => Promise<Answer>;

/** Puts every request down, and counts it. */
export function createAuditing(options: {
  audit: AuditQueue;
  metrics: Pick<Metrics, "countRequest">;
  log: Logger;
}): Auditing {
  const { audit, metrics, log } = options;
  return async (entry, ready, refusal, granted) => {
    const { request_id: requestId, trace_id: traceId } = entry;
    if (refusal !== undefined) {
      entry.outcome = outcomeOf(refusal);
      entry.code = refusal.code;
      if (refusal.code === "INTERNAL") {
        log.error({ err: refusal.cause, requestId, traceId }, "a request failed");
      }
    }
    entry.bytes_out = ready.body.length;
    let leaving = ready;
    if (granted?.terms.auditMode === "strict") {
      try {
        await audit.pushDurable(entry);
      } catch (error) {
        log.error({ err: error, requestId, traceId }, "an answer was held back: it cannot be audited");
        Object.assign(entry, { outcome: "failed", code: "UNAVAILABLE" } satisfies Partial<AuditEntry>);
        leaving = errorAnswer(
          new FederationError("UNAVAILABLE", "The request cannot be audited for now.", { retryAfter: 5 }),
          requestId,
        );
      }
    } else {
      audit.push(entry);
    }
    const { verb, outcome, code, latency_ms = 0 } = entry;
    metrics.countRequest({ verb, outcome, code }, latency_ms);
    return { ...leaving, headers: { ...leaving.headers, ...rateLimitHeaders(granted) } };
  };
}
