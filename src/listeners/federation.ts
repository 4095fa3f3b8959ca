import { constants, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import type { Bucket } from "../admission/bucket.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { queryHash } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { VerbExecutor } from "../graphile/verb-schema.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import type { VerbRequest } from "../verbs/variables.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { endWithError, readJsonBody, sendError, sendJson } from "./http.ts";

/** The longest body that a peer may send, bytes. */
const MAX_BODY_BYTES = 65_536;
const BODY_MS = 10_000;

/** What the federation listener stands on. */
export interface FederationListenerOptions {
  identity: ServerIdentity;
  /** Roots whose client certificates are taken, PEM. */
  trustedRoots: string[];
  /** Reads who a client certificate speaks for. Throws FederationError IDENTITY_MALFORMED. */
  readIdentity(certificateDer: Buffer): PeerIdentity;
  /** Throws FederationError UNAVAILABLE when no more work can be taken. */
  requireCapacity(): void;
  bucket: Bucket;
  /** How many refused handshakes are put down. */
  handshakes: Bucket;
  verbs: VerbExecutor;
  audit: AuditQueue;
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
    options.handshakes.take("refused").then(
      () => {
        options.audit.push({ ...newEntry(), verb: "handshake", outcome: "denied", code: "TLS_REFUSED" });
        log.info({ reason: errorCode(error) }, "a TLS handshake was refused");
      },
      () => undefined,
    );
  });
  server.on("clientError", (error, socket) => {
    const identity = identities.get(socket);
    if (identity === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    const refusal =
      errorCode(error) === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new FederationError("REQUEST_TIMEOUT", "The request took too long to arrive.")
        : new FederationError("BAD_REQUEST", "The request is not HTTP as it should be.");
    const entry = newEntry();
    audit(entry, identity, refusal);
    endWithError(socket, refusal, entry.request_id);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const entry = newEntry();
    try {
      const { verbRequest, result } = await serve(request, entry);
      entry.row_count = rowCount(verbRequest, result);
      entry.bytes_out = sendJson(
        response,
        200,
        { data: { [verbRequest.verb]: result } },
        { "x-request-id": entry.request_id },
      );
    } catch (error) {
      const refusal = asFederationError(error);
      entry.outcome = refusal.status < 500 ? "denied" : "failed";
      entry.code = refusal.code;
      if (refusal.code === "INTERNAL") {
        log.error({ err: refusal.cause, requestId: entry.request_id }, "a request failed");
      }
      if (!response.headersSent) {
        entry.bytes_out = sendError(response, refusal, entry.request_id);
      }
    }
    entry.latency_ms = performance.now() - started;
    options.audit.push(entry);
  }

  function audit(entry: AuditEntry, identity: PeerIdentity | FederationError, refusal: FederationError): void {
    if (!(identity instanceof FederationError)) {
      entry.grant_id = identity.grantId;
      entry.subject_user_id = identity.subjectUserId;
      entry.certificate_serial = identity.serial;
    }
    options.audit.push({ ...entry, outcome: "denied", code: refusal.code });
  }

  async function serve(
    request: IncomingMessage,
    entry: AuditEntry,
  ): Promise<{ verbRequest: VerbRequest; result: unknown }> {
    const identity = identities.get(request.socket);
    if (identity === undefined || identity instanceof FederationError) {
      throw identity ?? new FederationError("IDENTITY_MALFORMED", "The certificate does not say who it speaks for.");
    }
    entry.grant_id = identity.grantId;
    entry.subject_user_id = identity.subjectUserId;
    entry.certificate_serial = identity.serial;
    await options.bucket.take(identity.grantId);
    options.requireCapacity();
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
    return { verbRequest, result: await options.verbs.execute(verbRequest, identity) };
  }

  return server;
}

function newEntry(): AuditEntry {
  return { at: new Date().toISOString(), verb: "unknown", outcome: "served", code: "OK", request_id: randomUUID() };
}

/** The one resource that a request names; a search may go through several. */
function resourceOf({ variables }: VerbRequest): string | undefined {
  if ("resource" in variables) {
    return variables.resource;
  }
  return "resources" in variables && variables.resources?.length === 1 ? variables.resources[0] : undefined;
}

function rowCount(request: VerbRequest, result: unknown): number {
  if (typeof result !== "object" || result === null) {
    return 0;
  }
  const rows = request.verb === "list" && "rows" in result ? result.rows : "hits" in result ? result.hits : undefined;
  return request.verb === "get" ? 1 : Array.isArray(rows) && request.verb !== "capabilities" ? rows.length : 0;
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
