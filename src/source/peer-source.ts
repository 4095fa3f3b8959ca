import { SpanKind } from "@opentelemetry/api";
import type { Circuits } from "../client/circuit.ts";
import type { PeerConnections } from "../client/peer-connections.ts";
import type { Peer } from "../client/peer.ts";
import { Flushed } from "../client/response-cache.ts";
import type { Cached, ResponseCache } from "../client/response-cache.ts";
import type { RevocationNews } from "../client/revocation-news.ts";
import { certificateExpired, peerTimeout } from "../client/transport-error.ts";
import type { Sessions } from "../database/session.ts";
import { startDeadline } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Span } from "../observability/span.ts";
import { outcomeOf, resourceOf } from "../verbs/outcome.ts";
import { queryHash } from "../verbs/query-hash.ts";
import type { VerbVariables } from "../verbs/variables.ts";
import { ANSWERS } from "./answers.ts";
import type { AnswerTo } from "./answers.ts";
import type { Asked } from "./asked.ts";
import { setPeerState } from "./peer-state.ts";
import { peerOfUser } from "./peers-of-user.ts";
import type { QuerySource, Row } from "./query-source.ts";

/** How the gateway asks peers: what all questions share. */
export interface PeerAccess {
  connections: PeerConnections;
  circuits: Circuits;
  cache: ResponseCache;
  news: RevocationNews;
  sessions: Sessions;
  metrics: Pick<Metrics, "countPeerRequest">;
  /** What a peer may take to answer, ms. */
  timeoutMs: number;
  /** How long an answer is good where the peer has no time of its own, ms. */
  cacheTtlMs: number;
}

// After these the grant cannot come back: asking again would only bring the same answer.
const ENDED: readonly ErrorCode[] = ["GRANT_REVOKED", "GRANT_EXPIRED", "CERTIFICATE_REVOKED"];
/** Whether a peer says that it does not, or not any more, let us have what was asked for. */
const isDenial = ({ code, details: { status = 0 } }: FederationError): boolean =>
  status === 401 || status === 403 || (code === "SUBJECT_UNKNOWN" && status > 0);
// The peer does not answer: that is news for the session. Any other refusal is an answer.
const OFFLINE: readonly ErrorCode[] = ["PEER_UNREACHABLE", "PEER_TIMEOUT", "CIRCUIT_OPEN"];
/** What a request may fail with because its certificate was renewed and superseded under it, or has ended. */
const OUTDATED: readonly ErrorCode[] = ["PEER_UNREACHABLE", "PEER_UNTRUSTED", "CERTIFICATE_REVOKED"];
/** How often a question is asked anew because the peer changed while its answer was on its way. */
const CHANGES = 3;
/** What is left of a caller's time for the answer to be put together and sent, ms. */
const LAST_MS = 25;

/**
 * A remote gateway of the user. What it answers is checked for its shape and believed no further. `list` and `get` may be answered from
 * memory; nothing of a peer is kept beyond that, but for the news that the grant has ended, which `peer list` shows.
 */
export function createPeerSource(known: Peer, access: PeerAccess, asked: Asked): QuerySource {
  const { connections, circuits, cache, news, sessions } = access;
  const name = `federated:${known.host}`;

  /** Asks the peer itself. The answer counts only if the peer is still who it was when it was asked. */
  const ask = async <V extends keyof typeof ANSWERS>(
    peer: Peer,
    verb: V,
    variables: unknown,
    deadline: Deadline,
    span: Span,
  ): Promise<AnswerTo<V>> => {
    const checked = await circuits.run(peer, deadline, async () => {
      const answer = await connections.request(peer, verb, variables, deadline, span).catch(async (error: unknown) => {
        throw await news.explain(peer, asFederationError(error), deadline);
      });
      const read = ANSWERS[verb].safeParse(answer);
      if (!read.success) {
        throw new FederationError("PEER_PROTOCOL", `${peer.host} answered with what is no answer to ${verb}`);
      }
      return read.data as AnswerTo<V>;
    });
    if (!isSame(peer, await peerOfUser(sessions, asked.userId, peer.id, deadline))) {
      forget(peer);
      throw new Flushed();
    }
    if (peer.state === "degraded") {
      // It may have been written by a process that has ended since. Where renewing still fails, the database leaves it.
      await setPeerState(sessions, peer, "active");
    }
    return checked;
  };

  const forget = (peer: Peer): void => {
    cache.flushOf(peer.id, peer.certificateSerial);
    circuits.forget(peer);
  };

  const answerOf = async <V extends keyof typeof ANSWERS>(
    peer: Peer,
    verb: V,
    variables: VerbVariables[V],
    deadline: Deadline,
    span: Span,
  ): Promise<Cached<AnswerTo<V>>> => {
    if (peer.state === "revoked") {
      cache.flush(peer.id);
      throw new FederationError(
        "GRANT_REVOKED",
        `${peer.host} has ended the grant; "mosaic federation peer add" takes a new one`,
      );
    }
    try {
      if (verb !== "list" && verb !== "get") {
        return { value: await ask(peer, verb, variables, deadline, span), ageMs: null };
      }
      const question = {
        peerId: peer.id,
        certificateSerial: peer.certificateSerial,
        key: JSON.stringify([peer.id, asked.userId, peer.grantId, peer.certificateSerial, verb, queryHash(variables)]),
        ttlMs: Math.min(
          peer.cacheTtlSeconds === null ? access.cacheTtlMs : peer.cacheTtlSeconds * 1_000,
          // Nothing is served on a certificate that has ended.
          Math.max(0, peer.certificateNotAfter.getTime() - Date.now()),
        ),
      };
      return await cache.answer(question, deadline, (shared) => ask(peer, verb, variables, shared, span));
    } catch (error) {
      if (error instanceof FederationError && OUTDATED.includes(error.code)) {
        if (!isSame(peer, await peerOfUser(sessions, asked.userId, peer.id, deadline))) {
          forget(peer);
          throw new Flushed();
        }
        if (peer.certificateEnded) {
          throw certificateExpired(peer.host, error);
        }
      }
      if (error instanceof FederationError && isDenial(error)) {
        // Suspended, narrowed or not ours any more: what it answered before it might not answer now.
        cache.flush(peer.id);
      }
      if (error instanceof FederationError && ENDED.includes(error.code)) {
        forget(peer);
        await setPeerState(sessions, peer, "revoked");
      }
      throw error;
    }
  };

  const say = async <V extends keyof typeof ANSWERS>(
    verb: V,
    variables: VerbVariables[V],
  ): Promise<Cached<AnswerTo<V>>> => {
    const started = performance.now();
    const span = asked.span.child("federation.request", SpanKind.CLIENT);
    // Whoever asked waits no longer than the peer may take, and gets what the others answered in time.
    const deadline = startDeadline(Math.min(access.timeoutMs, asked.deadline.left() - LAST_MS), asked.deadline);
    let [refusal, cached]: [FederationError | undefined, boolean] = [undefined, false];
    try {
      let peer: Peer | undefined = known;
      for (let changes = 0; peer !== undefined && changes < CHANGES; changes += 1) {
        try {
          const answer = await answerOf(peer, verb, variables, deadline, span);
          cached = answer.ageMs !== null;
          // An answer from memory says nothing of whether the peer is there.
          if (!cached) {
            asked.tell(name, "online");
          }
          return answer;
        } catch (error) {
          if (!(error instanceof Flushed)) {
            throw error;
          }
          peer = await peerOfUser(sessions, asked.userId, known.id, deadline);
        }
      }
      throw new FederationError("PEER_UNKNOWN", `${known.host} was removed, or enrolled anew, while it was asked.`);
    } catch (error) {
      const told = asFederationError(error);
      const failure = told.code === "DEADLINE_EXCEEDED" ? peerTimeout(known.host, told) : told;
      refusal = failure;
      if (OFFLINE.includes(failure.code)) {
        asked.tell(name, "offline");
      } else if (ENDED.includes(failure.code)) {
        asked.tell(name, "ended");
      }
      throw failure;
    } finally {
      deadline.end();
      const latency = performance.now() - started;
      span.set({
        grant_id: known.grantId,
        peer: known.host,
        verb,
        // Of a request that failed it may be any text.
        resource: refusal === undefined ? resourceOf({ verb, variables }) : undefined,
        outcome: refusal === undefined ? "served" : outcomeOf(refusal),
        latency_ms: latency,
        cached,
      });
      span.end(refusal?.code);
      access.metrics.countPeerRequest({ peer: known.host, verb, code: refusal?.code ?? "OK", cached }, latency);
    }
  };

  return {
    name,
    list: async (variables) => {
      const { value, ageMs } = await say("list", variables);
      return { ...value, rows: value.rows.map((found) => tagged(found, ageMs)) };
    },
    get: async (variables) => {
      const { value, ageMs } = await say("get", variables);
      return tagged(value, ageMs);
    },
    search: async (variables) => (await say("search", variables)).value,
    capabilities: async () => (await say("capabilities", {})).value,
  };
}

/** A row as it is handed on: whether it is from memory is ours to say, whatever the peer says of it. */
function tagged(found: Row, ageMs: number | null): Row {
  const columns = { ...found };
  delete columns["_cached"];
  delete columns["_age_ms"];
  return ageMs === null ? columns : { ...columns, _cached: true, _age_ms: Math.round(ageMs) };
}

/** Whether answers to one are answers to the other. */
function isSame(asked: Peer, now: Peer | undefined): boolean {
  return now?.certificateSerial === asked.certificateSerial && now.state !== "revoked";
}
