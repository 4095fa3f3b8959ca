import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { Logger } from "pino";
import { z } from "zod";
import { bearerOf } from "../auth/authenticate.ts";
import type { Authenticate } from "../auth/authenticate.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { HomeExecutor } from "../graphile/home-schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Tracing } from "../observability/tracing.ts";
import type { HomeQueries } from "../source/home-queries.ts";
import type { Signals } from "../source/signals.ts";
import { askedOf, deadlineOf } from "./asked.ts";
import { readJsonBody, sendError, sendJson } from "./http.ts";
import { requireLoopbackName } from "./pages/origin.ts";
import type { Pages } from "./pages/pages.ts";
import { streamAnswers } from "./stream.ts";

/** What the home listener stands on. */
export interface HomeListenerOptions {
  authenticate: Authenticate;
  execute: HomeExecutor;
  queries: HomeQueries;
  metrics: Pick<Metrics, "serve">;
  tracing: Tracing;
  signals: Signals;
  /** What is under /pages/. */
  pages: Pages;
  /** What a request may take, ms. */
  mostMs: number;
  log: Logger;
}

const MAX_BODY_BYTES = 262_144;

const graphqlBody = z.strictObject({
  query: z.string().max(MAX_BODY_BYTES),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(256).nullish(),
  extensions: z.unknown().optional(),
});

/** The listener for local users: GraphQL at `/graphql`, answers source by source at `/stream`, as the user of the bearer token. */
export function createHomeListener(options: HomeListenerOptions): Server {
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 16_384 },
    (request, response) => {
      void answer(request, response);
    },
  );

  const traceOf = new WeakMap<IncomingMessage, string>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    try {
      await route(request, response, requestId);
    } catch (error) {
      const refusal = asFederationError(error);
      if (refusal.code === "INTERNAL") {
        options.log.error({ err: refusal.cause, requestId, traceId: traceOf.get(request) }, "a request failed");
      }
      if (!response.headersSent) {
        sendError(response, refusal, requestId);
      }
    }
  }

  async function route(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> {
    if (/^\/pages(\/|\?|$)/.test(request.url ?? "")) {
      await options.pages(request, response, requestId);
      return;
    }
    // A page of another origin can make its own name point here; the name then is not one of loopback.
    requireLoopbackName(request.headers.host);
    if (request.method === "GET" && request.url === "/healthz") {
      sendJson(response, 200, { status: "ok" });
      return;
    }
    if (request.method === "GET" && request.url === "/metrics") {
      options.metrics.serve(request, response);
      return;
    }
    const token = bearerOf(request.headers.authorization);
    if (request.url !== "/graphql" && request.url !== "/stream") {
      throw new FederationError("NOT_FOUND", "There is nothing at this path; GraphQL is at /graphql.");
    }
    if (request.method !== "POST") {
      throw new FederationError("METHOD_NOT_ALLOWED", "Requests are sent by POST.");
    }
    const deadline = deadlineOf(request, response, options.mostMs);
    // What came along with the headers has been read by then.
    await setImmediate();
    const isThere = request.complete;
    const found = await options.authenticate(token, deadline);
    const asked = askedOf(request, response, found.userId, { ...options, deadline, requestId });
    traceOf.set(request, asked.span.traceId);
    deadline.signal.throwIfAborted();
    const body = await readJsonBody(request, { bytes: MAX_BODY_BYTES, ms: 10_000 });
    // A token may have been revoked, or a peer removed, while a body took its time: what counts is how they are when the question is there.
    asked.peers = (isThere ? found : await options.authenticate(token, deadline)).peers;
    if (request.url === "/stream") {
      await streamAnswers(response, body, asked, options.queries);
      return;
    }
    const read = graphqlBody.safeParse(body);
    if (!read.success) {
      throw new FederationError("BAD_REQUEST", "The body is {query, variables, operationName}.");
    }
    const { query, variables, operationName } = read.data;
    sendJson(response, 200, await options.execute({ query, variables, operationName, asked }));
  }

  return server;
}
