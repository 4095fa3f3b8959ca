import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { z } from "zod";
import { rateLimited } from "../admission/bucket.ts";
import type { Bucket, Limits } from "../admission/bucket.ts";
import { networkOf } from "../admission/network-of.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import type { Enrollment } from "../enrollment/enroll.ts";
import { asFederationError, FederationError } from "../errors.ts";
import { remoteSpan, unrecordedSpan } from "../observability/span.ts";
import type { Revocations } from "../revocation/revocations.ts";
import { createCrlSender } from "./send-crl.ts";
import { readJsonBody, sendError, sendJson } from "./http.ts";
import type { ServerIdentity } from "./server-identity.ts";

/** What the public listener stands on. */
export interface PublicListenerOptions {
  identity: ServerIdentity;
  /** The roots of which peers pin one, PEM. */
  roots: () => string[];
  enrollment: Enrollment;
  /** How often one address may try to enroll. */
  attempts: Bucket;
  /** The newest revocation lists, and whether the database has lost what was published. */
  revocations: Pick<Revocations, "crls" | "lost">;
  /** Whether the database answers. */
  healthy(): Promise<boolean>;
  audit: AuditQueue;
  log: Logger;
}

/** Connections that are open at once. */
const MOST_CONNECTIONS = 1_000;

/** Attempts to enroll that one network may make in a minute. */
const ATTEMPTS: Limits = { requestsPerMinute: 60, burst: null };

const enrollBody = z.strictObject({ token: z.string().max(256), csr: z.string().max(8_192) });

/** What a change of the server certificate replaces, and what stays with it. */
export function publicTls({ certificate, key }: ServerIdentity): SecureContextOptions {
  return { cert: certificate, key, minVersion: "TLSv1.3" };
}

/** The listener for anybody: enrollment, the roots, the CRLs and health. It knows no rows. */
export function createPublicListener(options: PublicListenerOptions): Server {
  const server = createServer(
    {
      ...publicTls(options.identity),
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      void answer(request, response);
    },
  );

  server.maxConnections = MOST_CONNECTIONS;
  const sendCrl = createCrlSender();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    try {
      await route(request, response, requestId);
    } catch (error) {
      const refusal = asFederationError(error);
      if (refusal.cause !== undefined && refusal.status >= 500) {
        options.log.error({ err: refusal.cause, requestId }, "a request failed");
      }
      if (!response.headersSent) {
        sendError(response, refusal, requestId);
      }
    }
  }

  async function route(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> {
    const path = URL.parse(request.url ?? "", "https://gateway")?.pathname;
    switch (`${request.method} ${path}`) {
      case "GET /healthz": {
        const healthy = await options.healthy();
        sendJson(response, healthy ? 200 : 503, { status: healthy ? "ok" : "unavailable" });
        return;
      }
      case "GET /root.pem":
        response.writeHead(200, { "content-type": "application/x-pem-file" }).end(options.roots().join(""));
        return;
      case "GET /crl":
      case "GET /crl.pem":
        sendCrl(request, response, await options.revocations.crls(), path === "/crl.pem" ? "pem" : "der");
        return;
      case "POST /enroll":
        await enroll(request, response, requestId);
        return;
      default:
        throw new FederationError("NOT_FOUND", "There is nothing at this path.");
    }
  }

  async function enroll(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> {
    // Before the audit row: anybody can send these, and the log is not for anybody to fill.
    const taken = await options.attempts.take(networkOf(request.socket.remoteAddress), ATTEMPTS);
    if (!taken.allowed) {
      throw rateLimited(taken);
    }
    const started = performance.now();
    const entry: AuditEntry = {
      at: new Date().toISOString(),
      verb: "enroll",
      outcome: "served",
      code: "OK",
      request_id: requestId,
      trace_id: unrecordedSpan(remoteSpan(request.headers["traceparent"])).traceId,
    };
    try {
      if (options.revocations.lost !== undefined) {
        throw options.revocations.lost;
      }
      const body = enrollBody.safeParse(await readJsonBody(request, { bytes: 16_384, ms: 10_000 }));
      if (!body.success) {
        throw new FederationError("BAD_REQUEST", "The body is {token, csr}.");
      }
      const enrolled = await options.enrollment.enroll(body.data.token, body.data.csr);
      entry.grant_id = enrolled.grantId;
      entry.subject_user_id = enrolled.subjectUserId;
      entry.certificate_serial = enrolled.serial;
      entry.bytes_out = sendJson(response, 201, enrolled.answer);
    } catch (error) {
      const refusal = asFederationError(error);
      entry.outcome = refusal.status < 500 ? "denied" : "failed";
      entry.code = refusal.code;
      throw refusal;
    } finally {
      entry.latency_ms = performance.now() - started;
      options.audit.push(entry);
    }
  }

  return server;
}
