import { constants, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { rateLimitHeaders, takeToken } from "../admission/admit.ts";
import type { Admission } from "../admission/admit.ts";
import { rateLimited } from "../admission/bucket.ts";
import type { Bucket, Limits } from "../admission/bucket.ts";
import type { Capacity } from "../admission/capacity.ts";
import type { Terms } from "../admission/terms.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { queryHash } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { VerbExecutor } from "../graphile/verb-schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import { traceIdOf } from "../observability/trace.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { resourceOf, rowCount } from "../verbs/outcome.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import type { VerbRequest } from "../verbs/variables.ts";
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
        options.audit.push({ ...newEntry(), verb: "handshake", outcome: "denied", code: "TLS_REFUSED" });
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
    refuse(newEntry(), identity, refusal).then(
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
    const entry = newEntry(request);
    const admission: { granted?: Admission } = {};
    let ready: Answer;
    let refusal: FederationError | undefined;
    try {
      const { verbRequest, result } = await serve(request, response, entry, admission);
      entry.row_count = rowCount(verbRequest, result);
      ready = jsonAnswer(200, { data: { [verbRequest.verb]: result } }, { "x-request-id": entry.request_id });
    } catch (error) {
      refusal = asFederationError(error);
      ready = errorAnswer(refusal, entry.request_id);
    }
    entry.latency_ms = performance.now() - started;
    ready = await audited(entry, ready, refusal, admission.granted);
    if (!response.headersSent) {
      sendAnswer(response, ready);
    }
  }

  /**
   * An answer as it may leave: with what is left of the grant's share, and for a grant that is audited strictly once its audit row is durable.
   * Where that cannot be had it becomes a refusal that holds nothing of it.
   */
  async function audited(
    entry: AuditEntry,
    ready: Answer,
    refusal: FederationError | undefined,
    granted: Admission | undefined,
  ): Promise<Answer> {
    if (refusal !== undefined) {
      entry.outcome = refusal.status < 500 ? "denied" : "failed";
      entry.code = refusal.code;
      if (refusal.code === "INTERNAL") {
        log.error({ err: refusal.cause, requestId: entry.request_id }, "a request failed");
      }
    }
    entry.bytes_out = ready.body.length;
    let leaving = ready;
    if (granted?.terms.auditMode === "strict") {
      try {
        await options.audit.pushDurable(entry);
      } catch (error) {
        log.error({ err: error, requestId: entry.request_id }, "an answer was held back: it cannot be audited");
        leaving = errorAnswer(
          new FederationError("UNAVAILABLE", "The request cannot be audited for now.", { retryAfter: 5 }),
          entry.request_id,
        );
      }
    } else {
      options.audit.push(entry);
    }
    const { verb, outcome, code, latency_ms = 0 } = entry;
    options.metrics.countRequest({ verb, outcome, code }, latency_ms);
    return { ...leaving, headers: { ...leaving.headers, ...rateLimitHeaders(granted) } };
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
  ): Promise<{ verbRequest: VerbRequest; result: unknown }> {
    const identity = await admit(identities.get(request.socket), entry, admission);
    if (!options.audit.hasRoom) {
      throw new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 5 });
    }
    if (request.url !== "/federation") {
      throw new FederationError("NOT_FOUND", "There is nothing at this path.");
    }
    if (request.method !== "POST") {
      throw new FederationError("METHOD_NOT_ALLOWED", "Verbs are sent by POST.");
    }
    const verbRequest = readVerbRequest(await readJsonBody(request, { bytes: MAX_BODY_BYTES, ms: BODY_MS }));
    entry.verb = verbRequest.verb;
    entry.query_hash = queryHash(verbRequest.variables);
    entry.resource = resourceOf(verbRequest);
    const hangUp = new AbortController();
    response.once("close", () => {
      hangUp.abort();
    });
    const result = await options.capacity.run(
      identity.grantId,
      () => options.verbs.execute(verbRequest, identity),
      hangUp.signal,
    );
    return { verbRequest, result };
  }

  return server;
}

function newEntry(request?: IncomingMessage): AuditEntry {
  return {
    at: new Date().toISOString(),
    verb: "unknown",
    outcome: "served",
    code: "OK",
    request_id: randomUUID(),
    trace_id: traceIdOf(request?.headers["traceparent"]),
  };
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
