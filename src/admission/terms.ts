import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import type { Limits } from "./bucket.ts";

/** What holds for a grant before its verb runs. */
export interface GrantTerms extends Limits {
  /** `strict`: an answer leaves only after its audit row is durable. */
  auditMode: "async" | "strict";
  /** False where the database could not say: no verb may run, for it might have to be audited strictly. */
  known: boolean;
  /** By which name the grant knows its peer; undefined for an unknown grant. */
  peerHost?: string | undefined;
}

/** Where the terms of a grant come from. Where they cannot be read and are not known from the last minute, `known` is false. */
export interface Terms {
  /** As they were at most 100 ms ago. */
  of(grantId: string): Promise<GrantTerms>;
  /** As they are now, for somebody who would be refused otherwise; at most 50 ms old. */
  fresh(grantId: string): Promise<GrantTerms>;
}

const KNOWN_MS = 100;
const FRESH_MS = 50;
/** Of the time for which terms hold, so much goes by before they are read again, so that a grant that asks all the time does not wait for that. */
const READ_AGAIN = 0.8;
const SWEEP_MS = 60_000;
/** For how long the last that were known hold while they cannot be read. */
const HOLD_MS = 60_000;

/**
 * Terms from the database, kept for a moment. While the database is away, the last that were known hold for a minute; then and where none
 * were, requests are counted by the default limit, and refused.
 *
 * @param requestsPerMinute of grants that have no limit of their own
 */
export function createTerms(sessions: Sessions, requestsPerMinute: number, log: Logger): Terms {
  interface Known {
    terms: GrantTerms;
    readAt: number;
    succeededAt: number;
    reading: Promise<boolean> | undefined;
  }
  const grants = new Map<string, Known>();
  let swept = performance.now();

  const read = async (grantId: string): Promise<GrantTerms> => {
    const { rows } = await sessions.asGatewayOnce<{
      requests_per_minute: number | null;
      burst: number | null;
      audit_mode: "async" | "strict";
      peer_host: string;
    }>({
      text: "select requests_per_minute, burst, audit_mode, peer_host from federation.grant_terms($1)",
      values: [grantId],
    });
    return {
      requestsPerMinute: rows[0]?.requests_per_minute ?? requestsPerMinute,
      burst: rows[0]?.burst ?? null,
      auditMode: rows[0]?.audit_mode ?? "async",
      known: true,
      peerHost: rows[0]?.peer_host,
    };
  };
  /** Reads a grant's terms; says whether it could. Never rejects. */
  const readInto = async (known: Known, grantId: string): Promise<boolean> => {
    const begun = performance.now();
    let isRead = true;
    try {
      known.terms = await read(grantId);
      known.succeededAt = begun;
    } catch (error) {
      isRead = false;
      if (performance.now() - known.succeededAt > HOLD_MS) {
        known.terms = { ...known.terms, known: false };
      }
      log.debug({ err: error }, "the terms of a grant cannot be read; the last that are known hold");
    }
    known.readAt = begun;
    known.reading = undefined;
    return isRead;
  };
  const notOlderThan = async (grantId: string, ms: number): Promise<GrantTerms> => {
    const now = performance.now();
    if (now - swept > SWEEP_MS) {
      swept = now;
      for (const [id, { readAt }] of grants) {
        if (now - readAt > SWEEP_MS) {
          grants.delete(id);
        }
      }
    }
    const known: Known = grants.get(grantId) ?? {
      terms: { requestsPerMinute, burst: null, auditMode: "async", known: false },
      readAt: -Infinity,
      succeededAt: -Infinity,
      reading: undefined,
    };
    grants.set(grantId, known);
    const age = (): number => now - known.readAt;
    if (age() <= ms * READ_AGAIN) {
      return known.terms;
    }
    known.reading ??= readInto(known, grantId);
    if (age() <= ms) {
      return known.terms;
    }
    // A reading that was on its way long before this was asked says too little.
    if ((await known.reading) && age() > ms) {
      known.reading ??= readInto(known, grantId);
      await known.reading;
    }
    return known.terms;
  };
  return {
    of: (grantId) => notOlderThan(grantId, KNOWN_MS),
    fresh: (grantId) => notOlderThan(grantId, FRESH_MS),
  };
}
