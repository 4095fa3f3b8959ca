import { randomUUID } from "node:crypto";
import { escapeIdentifier } from "pg";
import type { ClientBase } from "pg";
import type { AuditQueue } from "../audit/queue.ts";
import type { PeerRenewals } from "../client/peer-renewals.ts";
import { asAdministrator } from "../database/administrator.ts";
import type { BrowserSession, Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import { explanationOf, visibleOf } from "../explain/explanation.ts";
import type { SqlArgument } from "./arguments.ts";
import { snakeCase, sqlArguments } from "./arguments.ts";
import type { Person } from "./person.ts";

/** A request of a browser that is signed in. */
export interface PagesCaller {
  session: BrowserSession;
  person: Person;
  deadline: Deadline;
}

/**
 * Answers a field of the pages' GraphQL by the function of `admin_api` that has its name. What is refused of a change, and what only administrators may
 * ask, is in the audit log with the person's name.
 *
 * @throws FederationError of the function, BAD_REQUEST
 */
export type AskPages = (
  caller: PagesCaller,
  operation: "query" | "mutation",
  field: string,
  given: Readonly<Record<string, unknown>>,
) => Promise<unknown>;

/** What walks the whole log, or asks policies again and again, may take, ms. */
const LONG_MS = 60_000;

/** By the connection of an administrator, with the time that they take. */
const LONG: ReadonlySet<string> = new Set(["auditVerification", "previewScope", "explain", "visible"]);

/** By the rights of the administrator's login, which owns the application's tables or may change them. */
const BY_LOGIN: ReadonlySet<string> = new Set(["registerResource", "unregisterResource"]);

/** What the pages ask, of the database and of the gateway around it. */
export function createAskPages(options: {
  sessions: Sessions;
  adminUrl: string;
  renewals: Pick<PeerRenewals, "renew">;
  audit: Pick<AuditQueue, "push">;
}): AskPages {
  const { sessions, adminUrl, renewals, audit } = options;

  const asPerson = (caller: PagesCaller, name: string, values: SqlArgument[]): Promise<unknown> =>
    sessions.asPerson(caller.session, (client) => call(client, name, values), caller.deadline);

  const asLogin = (caller: PagesCaller, name: string, values: SqlArgument[], role: boolean): Promise<unknown> =>
    asAdministrator(
      adminUrl,
      async (client) => {
        await client.query(`set local statement_timeout = ${LONG_MS}`);
        await client.query("select federation.enter_as_person($1, $2)", [
          caller.session.hash,
          caller.session.background,
        ]);
        if (role) {
          await client.query("set local role federation_pages");
        }
        return call(client, name, values);
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
    const values = sqlArguments(field, given);
    if (field === "renewPeer") {
      return renewPeer(caller, values);
    }
    if (BY_LOGIN.has(field)) {
      return asLogin(caller, field, values, false);
    }
    if (!LONG.has(field)) {
      return asPerson(caller, field, values);
    }
    const said = await asLogin(caller, field, values, true);
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
    const started = performance.now();
    try {
      return await answer(caller, field, given);
    } catch (cause) {
      const error = asFederationError(cause);
      if (operation === "mutation" || error.code === "ADMINISTRATORS_ONLY") {
        audit.push({
          at: new Date().toISOString(),
          verb: `pages.${snakeCase(field)}`,
          outcome: error.status < 500 ? "denied" : "failed",
          code: error.code,
          grant_id: grantOf(given),
          request_id: randomUUID(),
          latency_ms: performance.now() - started,
          details: {
            via: "pages",
            as: caller.person.isAdministrator ? "administrator" : "user",
            person: caller.person.name,
          },
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

async function call(client: ClientBase, field: string, values: SqlArgument[]): Promise<unknown> {
  const name = escapeIdentifier(snakeCase(field));
  const named = values.map(({ name: argument }, index) => `${escapeIdentifier(argument)} => $${index + 1}`).join(", ");
  const { rows } = await client.query<{ answer: unknown }>(
    `select admin_api.${name}(${named}) as answer`,
    values.map(({ value }) => value),
  );
  return rows[0]?.answer ?? null;
}
