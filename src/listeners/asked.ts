import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { SpanKind } from "@opentelemetry/api";
import type { Logger } from "pino";
import { startDeadline, timeoutOf, TIMEOUT_HEADER } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { Tracing } from "../observability/tracing.ts";
import { whenClosed } from "./http.ts";
import type { Asked } from "../source/asked.ts";
import type { Signals } from "../source/signals.ts";

/** The header by which a client says which requests are of one session; without it, those of one bearer token are. */
const SESSION_HEADER = "mosaic-session";

/**
 * Until when a local user's request is waited for. It ends when the client hangs up.
 *
 * @param mostMs what a request may take, whatever it asks for
 * @throws FederationError BAD_REQUEST where the header is malformed
 */
export function deadlineOf(request: IncomingMessage, response: ServerResponse, mostMs: number): Deadline {
  const deadline = startDeadline(timeoutOf(request.headers[TIMEOUT_HEADER], mostMs));
  whenClosed(response, () => {
    if (!response.writableFinished) {
      deadline.cancel();
    }
    deadline.end();
  });
  return deadline;
}

/**
 * What comes along with a local user's request: the trace and the session that it is part of.
 *
 * @param options.requestId of the request, in the log and in its answer
 * @throws FederationError BAD_REQUEST where a header is malformed
 */
export function askedOf(
  request: IncomingMessage,
  response: ServerResponse,
  userId: string,
  options: { deadline: Deadline; tracing: Tracing; signals: Signals; log: Pick<Logger, "error">; requestId: string },
): Asked {
  const session = sessionOf(request, userId);
  const { deadline } = options;
  const span = options.tracing.start("home.request", SpanKind.SERVER, request.headers["traceparent"]);
  if (span.traceresponse !== undefined) {
    response.setHeader("traceresponse", span.traceresponse);
  }
  whenClosed(response, () => {
    span.set({ "http.response.status_code": response.statusCode });
    span.end();
  });
  const asked: Asked = {
    userId,
    deadline,
    span,
    signals: [],
    fault: (error) => {
      if (error.code === "INTERNAL") {
        const { requestId, log } = options;
        log.error({ err: error.cause, requestId, traceId: span.traceId }, "a request failed");
      }
    },
    tell: (source, state) => {
      const signal = options.signals.note(session, source, state);
      if (signal !== undefined) {
        asked.signals.push(signal);
      }
    },
  };
  return asked;
}

/** Of a user, so that nobody hears of another's by naming it. Tokens are not kept. */
function sessionOf(request: IncomingMessage, userId: string): string {
  const named = request.headers[SESSION_HEADER];
  if (named === undefined) {
    return createHash("sha256")
      .update(`${userId}\0${request.headers.authorization ?? ""}`)
      .digest("base64");
  }
  if (typeof named !== "string" || !/^[\w.:-]{1,128}$/.test(named)) {
    throw new FederationError("BAD_REQUEST", `${SESSION_HEADER} is 1 to 128 letters, digits, or any of _ . : -`);
  }
  return JSON.stringify([userId, named]);
}
