import type { IncomingMessage, ServerResponse } from "node:http";
import { SpanKind } from "@opentelemetry/api";
import type { Logger } from "pino";
import { z } from "zod";
import { rateLimitHeaders, takeToken } from "../admission/admit.ts";
import type { Admission } from "../admission/admit.ts";
import { rateLimited } from "../admission/bucket.ts";
import type { Bucket } from "../admission/bucket.ts";
import type { Capacity } from "../admission/capacity.ts";
import type { Terms } from "../admission/terms.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { startDeadline, timeoutOf, TIMEOUT_HEADER } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import type { Renewal } from "../enrollment/renew.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { VerbExecutor } from "../graphile/verb-schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import { unrecordedSpan } from "../observability/span.ts";
import type { Span } from "../observability/span.ts";
import type { Tracing } from "../observability/tracing.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { Authorities } from "../setup/follow-authorities.ts";
import { resourceOf, rowCount } from "../verbs/outcome.ts";
import { queryHash } from "../verbs/query-hash.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import { createAuditing, newEntry } from "./audited.ts";
import { errorAnswer, jsonAnswer, readJsonBody, sendAnswer, whenClosed } from "./http.ts";
import type { Answer } from "./http.ts";

/** The longest body that a peer may send, bytes. */
const MAX_BODY_BYTES = 65_536;
const BODY_MS = 10_000;

/** Who the certificate of a connection speaks for, or why nobody can say; undefined where it has none. */
export type CertifiedIdentity = PeerIdentity | FederationError | undefined;

/** What requests of peers are answered with. */
export interface PeerRequestsOptions {
  /** Runs verbs, so many at once. */
  capacity: Capacity;
  bucket: Bucket;
  terms: Terms;
  verbs: VerbExecutor;
  renewal: Renewal;
  tracing: Tracing;
  /** What a verb may take from its turn on, ms. */
  mostMs: number;
  audit: AuditQueue;
  metrics: Pick<Metrics, "countRequest">;
  /** What is known of revoked certificates. */
  revocations: Pick<Revocations, "lost" | "refusalOf">;
  /** Whether it is known which roots are trusted. */
  authorities: Pick<Authorities, "outdated">;
  log: Logger;
}

/** Answers requests of peers: each costs a token of its grant's bucket, and leaves an audit row. */
export interface PeerRequests {
  /** Answers a request. Never rejects. */
  answer(request: IncomingMessage, response: ServerResponse, identity: CertifiedIdentity): Promise<void>;
  /** The answer to a request that could not be read; it costs a token like any other. */
  refuse(identity: CertifiedIdentity, refusal: FederationError): Promise<Answer>;
  /** Ends what runs under certificates that are revoked by now, statements included: it is answered as a refusal. */
  endRevoked(): void;
}

/** Why a connection is not to stay open; undefined where it may. A list that is stale keeps new ones out and ends none. */
export function revocationOf(
  revocations: Pick<Revocations, "refusalOf">,
  identity: PeerIdentity,
): FederationError | undefined {
  const refusal = revocations.refusalOf(identity);
  return refusal?.code === "UNAVAILABLE" ? undefined : refusal;
}

function isIdentity(certified: CertifiedIdentity): certified is PeerIdentity {
  return certified !== undefined && !(certified instanceof FederationError);
}

/** A request that was let in, and what is known of it. */
interface Admitted {
  request: IncomingMessage;
  identity: PeerIdentity;
  /** What its answer is audited by. */
  entry: AuditEntry;
  deadline: Deadline;
  span: Span;
}

/** What a path is answered with; the body is JSON as text. */
type Route = (admitted: Admitted, inTurn: InTurn) => Promise<{ status: number; body: string }>;

/** Runs what needs the database when it is the grant's turn. */
type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

const renewBody = z.strictObject({ csr: z.string().max(8_192) });

/** The way of a request, from its certificate to its audit row. */
export function createPeerRequests(options: PeerRequestsOptions): PeerRequests {
  const audited = createAuditing(options);
  const running = new Map<Deadline, PeerIdentity>();

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    identity: CertifiedIdentity,
  ): Promise<void> {
    const started = performance.now();
    const span = options.tracing.start("federation.request", SpanKind.SERVER, request.headers["traceparent"]);
    if (span.traceresponse !== undefined) {
      response.setHeader("traceresponse", span.traceresponse);
    }
    const entry = newEntry(span);
    const admission: { granted?: Admission } = {};
    let ready: Answer;
    let refusal: FederationError | undefined;
    try {
      const { status, body } = await serve(request, response, identity, entry, admission, span);
      const ended = endOf(identity);
      if (ended !== undefined) {
        throw ended;
      }
      ready = jsonAnswer(status, body, { "x-request-id": entry.request_id });
    } catch (error) {
      refusal = asFederationError(error);
      ready = errorAnswer(refusal, entry.request_id);
    }
    entry.latency_ms = performance.now() - started;
    const auditing = span.child("federation.audit");
    ready = await audited(entry, ready, refusal, admission.granted);
    auditing.end();
    const ended = refusal === undefined ? endOf(identity) : undefined;
    if (ended !== undefined) {
      // Its row says what was served, and had to be durable first: the log has one answer too many then, and the peer none.
      const { headers, ...answer } = errorAnswer(ended, entry.request_id);
      ready = { ...answer, headers: { ...headers, ...rateLimitHeaders(admission.granted) } };
    }
    if (!response.headersSent) {
      sendAnswer(response, ready);
    }
    const { grant_id, verb, resource, outcome, latency_ms } = entry;
    span.set({
      ...{ grant_id, peer: admission.granted?.terms.peerHost, verb, outcome, latency_ms, cached: false },
      // Of a request that was refused it may be any text.
      ...(outcome === "served" ? { resource } : {}),
    });
    span.end(outcome === "served" ? undefined : (refusal?.code ?? "UNAVAILABLE"));
  }

  function endOf(certified: CertifiedIdentity): FederationError | undefined {
    return isIdentity(certified) ? revocationOf(options.revocations, certified) : undefined;
  }

  /** The answer to a request that could not be read; it costs a token like any other. */
  async function refuse(identity: CertifiedIdentity, refusal: FederationError): Promise<Answer> {
    const entry = newEntry(unrecordedSpan());
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
    identity: CertifiedIdentity,
    entry: AuditEntry,
    admission: { granted?: Admission },
  ): Promise<PeerIdentity> {
    if (!isIdentity(identity)) {
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

  const routes: Record<string, Route> = {
    "/federation": async ({ request, identity, entry, deadline, span }, inTurn) => {
      const verbRequest = readVerbRequest(await bodyOf(request, deadline));
      entry.verb = verbRequest.verb;
      entry.query_hash = queryHash(verbRequest.variables);
      entry.resource = resourceOf(verbRequest);
      const result = await inTurn(async () => {
        const querying = span.child("federation.sql");
        try {
          return await options.verbs.execute(verbRequest, identity, deadline);
        } finally {
          querying.end();
        }
      });
      entry.row_count = rowCount(verbRequest, result);
      return { status: 200, body: `{"data":{"${verbRequest.verb}":${result}}}` };
    },
    "/renew": async ({ request, identity, entry, deadline }, inTurn) => {
      entry.verb = "renew";
      const body = renewBody.safeParse(await bodyOf(request, deadline));
      if (!body.success) {
        throw new FederationError("BAD_REQUEST", "The body is {csr}.");
      }
      const issued = await inTurn(() => options.renewal.renew(identity, body.data.csr, deadline));
      return { status: 201, body: JSON.stringify(issued) };
    },
    "/renew/confirm": async ({ identity, entry, deadline }, inTurn) => {
      entry.verb = "renew.confirm";
      await inTurn(() => options.renewal.confirm(identity, deadline));
      return { status: 200, body: JSON.stringify({ confirmed: identity.serial }) };
    },
  };

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    certified: CertifiedIdentity,
    entry: AuditEntry,
    admission: { granted?: Admission },
    span: Span,
  ): Promise<{ status: number; body: string }> {
    const admitting = span.child("federation.admission");
    const identity = await admit(certified, entry, admission).finally(() => {
      admitting.end();
    });
    const outOfTouch = options.revocations.lost ?? options.authorities.outdated;
    if (outOfTouch !== undefined) {
      throw outOfTouch;
    }
    if (!options.audit.hasRoom || admission.granted?.terms.known !== true) {
      throw new FederationError("UNAVAILABLE", "The gateway is busy.", { retryAfter: 5 });
    }
    const path = request.url ?? "";
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) {
      throw new FederationError("NOT_FOUND", "There is nothing at this path.");
    }
    if (request.method !== "POST") {
      throw new FederationError("METHOD_NOT_ALLOWED", "Verbs are sent by POST.");
    }
    const turn = { grant: identity.grantId, peer: admission.granted.terms.peerHost ?? identity.grantId };
    const deadline = startDeadline(timeoutOf(request.headers[TIMEOUT_HEADER], options.mostMs));
    whenClosed(response, () => {
      deadline.cancel();
    });
    running.set(deadline, identity);
    try {
      deadline.signal.throwIfAborted();
      return await route({ request, identity, entry, deadline, span }, (work) =>
        options.capacity.run(turn, work, deadline.signal),
      );
    } finally {
      running.delete(deadline);
      deadline.end();
    }
  }

  function endRevoked(): void {
    for (const [deadline, identity] of running) {
      const refusal = revocationOf(options.revocations, identity);
      if (refusal !== undefined) {
        deadline.cancel(refusal);
      }
    }
  }

  return { answer, refuse, endRevoked };
}

function bodyOf(request: IncomingMessage, deadline: Deadline): Promise<unknown> {
  return readJsonBody(request, { bytes: MAX_BODY_BYTES, ms: Math.min(BODY_MS, deadline.left()) });
}
