import { randomUUID } from "node:crypto";
import { escapeIdentifier } from "pg";
import type { ClientBase } from "pg";
import { rateLimited } from "../admission/bucket.ts";
import type { Bucket, Limits } from "../admission/bucket.ts";
import { createCapacity } from "../admission/capacity.ts";
import type { AuditQueue } from "../audit/queue.ts";
import type { PeerRenewals } from "../client/peer-renewals.ts";
import { asAdministrator } from "../database/administrator.ts";
import type { BrowserSession, Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import { explanationOf, visibleOf } from "../explain/explanation.ts";
import type { SqlArgument } from "./arguments.ts";
import { snakeCase, sqlArguments } from "./arguments.ts";
import { detailsOf } from "./person.ts";
import type { Person } from "./person.ts";

/** A request of a browser that is signed in. */
export interface PagesCaller {
  session: BrowserSession;
  person: Person;
  /** Aborts when the browser hangs up. */
  deadline: Deadline;
}

/**
 * Answers a field of the pages' GraphQL by the function of `admin_api` that has its name. What is refused of a change, and what only administrators may
 * ask, is in the audit log with the person's name.
 *
 * @throws FederationError of the function, BAD_REQUEST, RATE_LIMITED where the session was refused too often
 */
export type AskPages = (
  caller: PagesCaller,
  operation: "query" | "mutation",
  field: string,
  given: Readonly<Record<string, unknown>>,
) => Promise<unknown>;

/** What walks the whole log, or asks policies again and again, may take, ms. */
export const LONG_MS = 60_000;

/** They may take that long. */
const LONG: ReadonlySet<string> = new Set(["auditVerification", "previewGrant", "previewScope", "explain", "visible"]);

/** By the rights of the administrator's login, which owns the application's tables or may change them. */
const BY_LOGIN: ReadonlySet<string> = new Set(["registerResource", "unregisterResource"]);

/** Refused to a user before anything is opened for them. The database refuses these, and all others that are for administrators, by itself. */
const ADMINISTRATORS_ONLY: ReadonlySet<string> = new Set([
  ...BY_LOGIN,
  "auditVerification",
  "previewGrant",
  "previewScope",
]);

/** How many of what takes long run at a time, one of each person: each holds a connection. */
const LONG_AT_A_TIME = 2;
const LONG_WAITING = 16;

/** Of one session in a minute: what is refused is written to the log, which is not for anybody to fill. */
const REFUSALS: Limits = { requestsPerMinute: 60, burst: null };

/** What the pages ask, of the database and of the gateway around it. */
export function createAskPages(options: {
  sessions: Sessions;
  adminUrl: string;
  renewals: Pick<PeerRenewals, "renew">;
  audit: Pick<AuditQueue, "push">;
  bucket: Bucket;
}): AskPages {
  const { sessions, adminUrl, renewals, audit, bucket } = options;

  const turns = createCapacity({ concurrency: LONG_AT_A_TIME, waiting: LONG_WAITING, waitMs: LONG_MS });
  const inTurn = <T>({ person, deadline }: PagesCaller, work: () => Promise<T>): Promise<T> => {
    const who = `${person.isAdministrator ? "administrator" : "user"} ${person.name}`;
    return turns.run({ grant: who, peer: who }, work, deadline.signal);
  };

  const asPerson = (caller: PagesCaller, name: string, values: SqlArgument[], timeoutMs?: number): Promise<unknown> =>
    sessions.asPerson(caller.session, (client) => call(client, name, values, timeoutMs), caller.deadline, timeoutMs);

  const asLogin = (caller: PagesCaller, name: string, values: SqlArgument[]): Promise<unknown> =>
    asAdministrator(
      adminUrl,
      async (client) => {
        const left = Math.ceil(Math.min(LONG_MS, Math.max(1, caller.deadline.left())));
        await client.query(`set local statement_timeout = ${left}`);
        await client.query("select federation.enter_as_person($1, $2)", [
          caller.session.hash,
          caller.session.background,
        ]);
        const answer = await call(client, name, values);
        // Nobody waits any more: what was changed is taken back.
        caller.deadline.signal.throwIfAborted();
        return answer;
      },
      "own",
    );

  const renewPeer = async (caller: PagesCaller, values: SqlArgument[]): Promise<unknown> => {
    const peer = (await asPerson(caller, "requestRenewal", values)) as { id: string };
    const outcome = await renewals.renew(peer.id, { now: true });
    if (outcome.status === "failed") {
      throw new FederationError(outcome.code, outcome.message);
    }
    if (outcome.status !== "renewed") {
      throw new FederationError("CONFLICT", "Somebody else has renewed this certificate just now.");
    }
    return asPerson(caller, "peer", values);
  };

  const answer = async (
    caller: PagesCaller,
    field: string,
    given: Readonly<Record<string, unknown>>,
  ): Promise<unknown> => {
    if (ADMINISTRATORS_ONLY.has(field) && !caller.person.isAdministrator) {
      throw new FederationError("ADMINISTRATORS_ONLY", "This is for administrators.");
    }
    const values = sqlArguments(field, given);
    if (field === "renewPeer") {
      return renewPeer(caller, values);
    }
    if (BY_LOGIN.has(field)) {
      return inTurn(caller, () => asLogin(caller, field, values));
    }
    if (!LONG.has(field)) {
      return asPerson(caller, field, values);
    }
    const said = await inTurn(caller, () => asPerson(caller, field, values, LONG_MS));
    switch (field) {
      case "explain":
        return explanationOf(said as Parameters<typeof explanationOf>[0]);
      case "visible":
        return visibleOf(said as Parameters<typeof visibleOf>[0]);
      default:
        return said;
    }
  };

  return async (caller, operation, field, given) => {
    // What is asked for behind it in the same request is not begun for a browser that has hung up.
    caller.deadline.signal.throwIfAborted();
    const started = performance.now();
    try {
      return await answer(caller, field, given);
    } catch (cause) {
      const error = asFederationError(cause);
      if (operation === "mutation" || error.code === "ADMINISTRATORS_ONLY") {
        const taken = await bucket.take(`refusals ${caller.session.hash.toString("hex")}`, REFUSALS);
        if (!taken.allowed) {
          throw rateLimited(taken);
        }
        audit.push({
          at: new Date().toISOString(),
          verb: `pages.${snakeCase(field)}`,
          outcome: error.status < 500 ? "denied" : "failed",
          code: error.code,
          grant_id: grantOf(given),
          request_id: randomUUID(),
          latency_ms: performance.now() - started,
          details: detailsOf(caller.person),
        });
      }
      throw error;
    }
  };
}

/** The grant that was asked about, where it can be one: whatever else was written there is the browser's text. */
function grantOf({ grantId }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof grantId === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(grantId)
    ? grantId
    : undefined;
}

/** @param timeoutMs what it may take, where that is more than the connection allows by itself */
async function call(client: ClientBase, field: string, values: SqlArgument[], timeoutMs?: number): Promise<unknown> {
  const name = escapeIdentifier(snakeCase(field));
  const named = values.map(({ name: argument }, index) => `${escapeIdentifier(argument)} => $${index + 1}`).join(", ");
  const { rows } = await client.query<{ answer: unknown }>({
    text: `select admin_api.${name}(${named}) as answer`,
    values: values.map(({ value }) => value),
    ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs + 1_000 }),
  });
  return rows[0]?.answer ?? null;
}
