import { Pool } from "undici";
import { z } from "zod";
import { ERROR_TABLE, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { before, TIMEOUT_HEADER } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import type { Span } from "../observability/span.ts";
import type { Keyring } from "../seal/keyring.ts";
import { unseal } from "../seal/seal.ts";
import { nestingOf } from "./nesting.ts";
import type { Peer } from "./peer.ts";
import { createPerPeer } from "./per-peer.ts";
import { fromTransportError } from "./transport-error.ts";

type Traced = Pick<Span, "traceparent" | "link">;

/** Connections to remote gateways, kept open between requests, each with the certificate of its peer and of no other. */
export interface PeerConnections {
  /**
   * Says a verb to a peer, once. The deadline goes with it; when it aborts, the connection is cut, so that the peer knows.
   *
   * @param span our part of the trace: the peer's work becomes part of it, and what the peer calls its own work is linked to it
   * @returns what the peer answered under `data.<verb>`, unchecked
   * @throws FederationError PEER_UNREACHABLE, PEER_TIMEOUT, PEER_UNTRUSTED, PEER_PROTOCOL, CANCELLED, or the code that the peer refused with
   */
  request(peer: Peer, verb: string, variables: unknown, deadline: Deadline, span: Traced): Promise<unknown>;
  close(): Promise<void>;
}

/** The longest answer taken from a peer, bytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Levels of objects and arrays in an answer; rows with JSON columns need some. */
const DEEPEST_ANSWER = 100;
const CONNECTIONS_PER_PEER = 8;

const answerBody = z.object({
  data: z.record(z.string(), z.unknown()).optional(),
  errors: z.array(z.object({ extensions: z.object({ code: z.string() }) })).optional(),
});

/**
 * @param options.keyring read anew for each peer that is connected to, so that a rotation of the sealing key needs no restart
 * @param options.timeoutMs what any request may take to connect, to its first byte and between two, whatever its deadline says
 */
export function createPeerConnections(options: { keyring: () => Keyring; timeoutMs: number }): PeerConnections {
  // What is not kept is closed: it has the private key in memory.
  const pools = createPerPeer<{ serial: string; origin: string; pool: Pool }>(({ pool }) => void pool.close());

  const poolOf = (peer: Peer): Pool => {
    const known = pools.get(peer.id);
    const { origin } = new URL(peer.federationUrl);
    if (known?.serial === peer.certificateSerial && known.origin === origin) {
      return known.pool;
    }
    const pool = new Pool(origin, {
      connections: CONNECTIONS_PER_PEER,
      pipelining: 1,
      allowH2: false,
      maxResponseSize: MAX_ANSWER_BYTES,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connect: {
        // Nobody but the root that was pinned at enrollment, and those that it led to, vouches for this peer.
        ca: [peer.rootPem, ...peer.trustedRootsPem],
        cert: peer.certificateChainPem.join(""),
        key: keyPem(unseal(options.keyring(), peer.sealedKey, peer.id)),
        minVersion: "TLSv1.3",
        timeout: options.timeoutMs,
        maxCachedSessions: 0,
      },
    });
    pools.set(peer.id, { serial: peer.certificateSerial, origin, pool });
    return pool;
  };

  const send = async (peer: Peer, body: string, deadline: Deadline, span: Traced): Promise<unknown> => {
    deadline.signal.throwIfAborted();
    const {
      statusCode,
      headers,
      body: answer,
    } = await poolOf(peer).request({
      path: new URL(peer.federationUrl).pathname.replace(/\/$/, "") + "/federation",
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        traceparent: span.traceparent,
        [TIMEOUT_HEADER]: String(Math.max(1, Math.floor(deadline.left()))),
      },
      body,
      signal: deadline.signal,
    });
    span.link(headers["traceresponse"]);
    const text = await answer.text();
    if (nestingOf(text) > DEEPEST_ANSWER) {
      throw new FederationError("PEER_PROTOCOL", `${peer.host} answered with more than we take`);
    }
    let parsed: z.output<typeof answerBody>;
    try {
      parsed = answerBody.parse(JSON.parse(text));
    } catch (cause) {
      throw new FederationError(
        "PEER_PROTOCOL",
        `${peer.host} answered ${statusCode} with what is no answer of a gateway`,
        {
          cause,
        },
      );
    }
    const code = parsed.errors?.[0]?.extensions.code;
    if (code !== undefined || statusCode !== 200) {
      throw refusalOf(peer.host, code, statusCode);
    }
    return parsed.data;
  };

  return {
    request: async (peer, verb, variables, deadline, span) => {
      try {
        const body = JSON.stringify({ documentId: verb, variables });
        // A request that still waits for its connection does not hear the signal (undici, api-request: it listens once it is sent).
        const data = await before(deadline.signal, send(peer, body, deadline, span));
        return (data as Record<string, unknown> | undefined)?.[verb];
      } catch (error) {
        throw fromTransportError(error, peer.host);
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()));
    },
  };
}

/** Refusals that only the other side knows the reason of, and can end. */
const THEIRS: ReadonlySet<ErrorCode> = new Set([
  ...(["IDENTITY_MALFORMED", "CERTIFICATE_UNKNOWN", "CERTIFICATE_REVOKED", "SUBJECT_MISMATCH"] as const),
  ...(["GRANT_UNKNOWN", "GRANT_PENDING", "GRANT_SUSPENDED", "GRANT_REVOKED", "GRANT_EXPIRED"] as const),
  ...(["RESOURCE_DENIED", "NOT_FOUND", "SUBJECT_UNKNOWN"] as const),
]);

/** What a gateway refuses a peer with; any other code of ours would say of this side what a peer has no say in. */
const REFUSALS: readonly ErrorCode[] = [
  ...THEIRS,
  ...(["BAD_REQUEST", "METHOD_NOT_ALLOWED", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"] as const),
  ...(["REQUEST_TIMEOUT", "RATE_LIMITED", "RENEWAL_LIMITED", "CONFLICT", "CSR_INVALID"] as const),
];

/** The peer's refusal under its code; its words stay out, for they are another's text. */
export function refusalOf(host: string, code: string | undefined, status: number): FederationError {
  const details = { status };
  const said = REFUSALS.find((known) => known === code);
  if (said !== undefined && status >= 400 && status < 500) {
    const { meaning } = ERROR_TABLE[said];
    const next = THEIRS.has(said) ? ` ${host} tells no more than this: ask its administrator.` : "";
    return new FederationError(said, `${host} refused: ${meaning}${next}`, { details });
  }
  if (status === 504) {
    return new FederationError("PEER_TIMEOUT", `${host} could not answer in time`, { details });
  }
  if (status === 502 || status === 503 || status === 500) {
    return new FederationError("PEER_UNREACHABLE", `${host} cannot answer for now (${status})`, { details });
  }
  return new FederationError("PEER_PROTOCOL", `${host} answered ${status}, which is no answer of a gateway`, {
    details,
  });
}

function keyPem(pkcs8: Buffer): string {
  const lines = pkcs8
    .toString("base64")
    .replace(/(.{64})/g, "$1\n")
    .trimEnd();
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
}
