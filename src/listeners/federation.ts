import { constants } from "node:crypto";
import { SpanKind } from "@opentelemetry/api";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { takeToken } from "../admission/admit.ts";
import type { Admission } from "../admission/admit.ts";
import { rateLimited } from "../admission/bucket.ts";
import type { Bucket, Limits } from "../admission/bucket.ts";
import type { Capacity } from "../admission/capacity.ts";
import type { Terms } from "../admission/terms.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { queryHash } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { startDeadline, timeoutOf, TIMEOUT_HEADER } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { VerbExecutor } from "../graphile/verb-schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import { unrecordedSpan } from "../observability/span.ts";
import type { Span } from "../observability/span.ts";
import type { Tracing } from "../observability/tracing.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { resourceOf, rowCount } from "../verbs/outcome.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import type { VerbRequest } from "../verbs/variables.ts";
import { createAuditing, newEntry } from "./audited.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { endWith, errorAnswer, jsonAnswer, readJsonBody, sendAnswer } from "./http.ts";
import type { Answer } from "./http.ts";

/** The longest body that a peer may send, bytes. */
const MAX_BODY_BYTES = 65_536;
const BODY_MS = 10_000;

/** Refused handshakes that the audit log keeps of each minute. */
const HANDSHAKES: Limits = { requestsPerMinute: 60, burst: null };

/** What the federation listener stands on. */
export interface FederationListenerOptions {
  identity: ServerIdentity;
  /** Roots whose client certificates are taken, PEM. */
  trustedRoots: string[];
  /** Reads who a client certificate speaks for. Throws FederationError IDENTITY_MALFORMED. */
  readIdentity(certificateDer: Buffer): PeerIdentity;
  /** Runs verbs, so many at once. */
  capacity: Capacity;
  bucket: Bucket;
  /** How many refused handshakes are put down. */
  handshakes: Bucket;
  terms: Terms;
  verbs: VerbExecutor;
  tracing: Tracing;
  /** What a verb may take from its turn on, ms. */
  mostMs: number;
  audit: AuditQueue;
  metrics: Pick<Metrics, "countRequest">;
  log: Logger;
}

/** What a change of the server certificate replaces, and what stays with it. */
export function federationTls(options: { identity: ServerIdentity; trustedRoots: string[] }): SecureContextOptions {
  return {
    cert: options.identity.certificate,
    key: options.identity.key,
    ca: options.trustedRoots,
    minVersion: "TLSv1.3",
    // A resumed session would not be checked against a newer CRL.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * The listener for peers: TLS 1.3, a client certificate of a trusted root, one path, one verb a request. A certificate that does
 * not chain to a trusted root never gets as far as a request.
 */
export function createFederationListener(options: FederationListenerOptions): Server {
  const { log } = options;
  const audited = createAuditing(options);
  // Read once a connection: the certificate cannot change under it.
  const identities = new WeakMap<object, PeerIdentity | FederationError>();
  const server = createServer(
    {
      ...federationTls(options),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 60_000,
      maxHeaderSize: 8_192,
      // Node would refuse a request without one by itself, past the audit log.
      requireHostHeader: false,
    },
    (request, response) => {
      void answer(request, response);
    },
  );

  server.on("secureConnection", (socket) => {
    try {
      const certificate = socket.getPeerX509Certificate();
      if (certificate !== undefined) {
        identities.set(socket, options.readIdentity(certificate.raw));
      }
    } catch (error) {
      identities.set(socket, asFederationError(error));
    }
  });
  server.on("tlsClientError", (error) => {
    // Anybody can fail a handshake, as often as the network lets them: the log keeps some of each minute.
    void options.handshakes.take("refused", HANDSHAKES).then(({ allowed }) => {
      if (allowed) {
        options.audit.push({
          ...newEntry(unrecordedSpan()),
          verb: "handshake",
          outcome: "denied",
          code: "TLS_REFUSED",
        });
        log.info({ reason: errorCode(error) }, "a TLS handshake was refused");
      }
    });
  });
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    void answer(request, response);
  });
  server.on("connect", (_request, socket) => {
    refuseOn(socket, new FederationError("METHOD_NOT_ALLOWED", "Verbs are sent by POST."));
  });
  server.on("clientError", (error, socket) => {
    refuseOn(
      socket,
      errorCode(error) === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new FederationError("REQUEST_TIMEOUT", "The request took too long to arrive.")
        : new FederationError("BAD_REQUEST", "The request is not HTTP as it should be."),
    );
  });

  /** Refuses what did not become a request, and ends its connection. */
  function refuseOn(socket: Duplex, refusal: FederationError): void {
    const identity = identities.get(socket);
    if (identity === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    // It may end by itself while the refusal is put down.
    socket.on("error", () => socket.destroy());
    refuse(newEntry(unrecordedSpan()), identity, refusal).then(
      (ready) => {
        endWith(socket, ready);
      },
      (cause: unknown) => {
        log.error({ err: cause }, "a request could not be refused well");
        socket.destroy();
      },
    );
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const span = options.tracing.start("federation.request", SpanKind.SERVER, request.headers["traceparent"]);
    const entry = newEntry(span);
    const admission: { granted?: Admission } = {};
    let ready: Answer;
    let refusal: FederationError | undefined;
    try {
      const { verbRequest, result } = await serve(request, response, entry, admission, span);
      entry.row_count = rowCount(verbRequest, result);
      ready = jsonAnswer(200, { data: { [verbRequest.verb]: result } }, { "x-request-id": entry.request_id });
    } catch (error) {
      refusal = asFederationError(error);
      ready = errorAnswer(refusal, entry.request_id);
    }
    entry.latency_ms = performance.now() - started;
    const auditing = span.child("federation.audit");
    ready = await audited(entry, ready, refusal, admission.granted);
    auditing.end();
    if (!response.headersSent) {
      sendAnswer(response, ready);
    }
    const { grant_id, verb, resource, outcome, latency_ms } = entry;
    span.set({
      ...{ grant_id, peer: admission.granted?.terms.peerHost, verb, outcome, latency_ms, cached: false },
      // Of a request that was refused it may be any text.
      ...(refusal === undefined ? { resource } : {}),
    });
    span.end(refusal?.code);
  }

  /** The answer to a request that could not be read; it costs a token like any other. */
  async function refuse(
    entry: AuditEntry,
    identity: PeerIdentity | FederationError,
    refusal: FederationError,
  ): Promise<Answer> {
    const admission: { granted?: Admission } = {};
    let error = refusal;
    try {
      await admit(identity, entry, admission);
    } catch (denied) {
      error = asFederationError(denied);
    }
    return audited(entry, errorAnswer(error, entry.request_id), error, admission.granted);
  }

  /** Takes a token for whoever the certificate speaks for. Throws FederationError RATE_LIMITED, IDENTITY_MALFORMED. */
  async function admit(
    identity: PeerIdentity | FederationError | undefined,
    entry: AuditEntry,
    admission: { granted?: Admission },
  ): Promise<PeerIdentity> {
    if (identity === undefined || identity instanceof FederationError) {
      throw identity ?? new FederationError("IDENTITY_MALFORMED", "The certificate does not say who it speaks for.");
    }
    entry.grant_id = identity.grantId;
    entry.subject_user_id = identity.subjectUserId;
    entry.certificate_serial = identity.serial;
    admission.granted = await takeToken(options.bucket, options.terms, identity.grantId);
    if (!admission.granted.taken.allowed) {
      throw rateLimited(admission.granted.taken);
    }
    return identity;
  }

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    entry: AuditEntry,
    admission: { granted?: Admission },
    span: Span,
  ): Promise<{ verbRequest: VerbRequest; result: unknown }> {
    const admitting = span.child("federation.admission");
    const identity = await admit(identities.get(request.socket), entry, admission).finally(() => {
      admitting.end();
    });
    if (!options.audit.hasRoom) {
      throw new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 5 });
    }
    if (request.url !== "/federation") {
      throw new FederationError("NOT_FOUND", "There is nothing at this path.");
    }
    if (request.method !== "POST") {
      throw new FederationError("METHOD_NOT_ALLOWED", "Verbs are sent by POST.");
    }
    const deadline = startDeadline(timeoutOf(request.headers[TIMEOUT_HEADER], options.mostMs));
    response.once("close", () => {
      deadline.cancel();
    });
    try {
      const body = await readJsonBody(request, { bytes: MAX_BODY_BYTES, ms: Math.min(BODY_MS, deadline.left()) });
      const verbRequest = readVerbRequest(body);
      entry.verb = verbRequest.verb;
      entry.query_hash = queryHash(verbRequest.variables);
      entry.resource = resourceOf(verbRequest);
      const result = await options.capacity.run(
        identity.grantId,
        async () => {
          const querying = span.child("federation.sql");
          try {
            return await options.verbs.execute(verbRequest, identity, deadline);
          } finally {
            querying.end();
          }
        },
        deadline.signal,
      );
      return { verbRequest, result };
    } finally {
      deadline.end();
    }
  }

  return server;
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
