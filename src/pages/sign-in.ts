import { createHash, randomBytes } from "node:crypto";
import type { QueryResult } from "pg";
import { asAdministrator } from "../database/administrator.ts";
import type { BrowserSession, Sessions } from "../database/session.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { Deadline } from "../deadline.ts";
import type { OidcAccount } from "./oidc.ts";
import type { Person } from "./person.ts";

/** A browser that has just been signed in. */
export interface SignedIn {
  /** What the browser is to keep; the database has its hash. */
  cookie: string;
  person: Person;
}

/**
 * Signs browsers in and out. What is refused throws FederationError UNAUTHENTICATED, with no hint at what was wrong.
 * A session that the browser had before ends when it is signed in anew.
 */
export interface SignIn {
  /** As the administrator or the local user of a token; the session ends with it. */
  byToken(token: string, former: BrowserSession | undefined): Promise<SignedIn>;
  /** As whom a provider has named: an administrator or a local user. */
  byOidc(account: OidcAccount, former: BrowserSession | undefined): Promise<SignedIn>;
  /** Who is signed in by a session. */
  personOf(session: BrowserSession, deadline?: Deadline): Promise<Person>;
  /** Ends a session; one that has ended is left as it is. */
  out(session: BrowserSession): Promise<void>;
}

/** The session of a cookie. */
export function sessionOf(cookie: string, background: boolean): BrowserSession {
  return { hash: createHash("sha256").update(cookie).digest(), background };
}

/** What the database says of a person (federation.open_person). */
interface OpenedPerson {
  name: string;
  administrator: boolean;
  signedInBy: Person["signedInBy"];
  expiresAt: string;
}

/**
 * Sign-in over the sessions of the gateway.
 *
 * @param adminUrl by which accounts of a provider are signed in: the database takes the gateway's word for them, and its own login is not to have it
 */
export function createSignIn(sessions: Sessions, adminUrl: string): SignIn {
  const out = async (session: BrowserSession): Promise<void> => {
    await sessions
      .asGatewayOnce({ text: "select federation.sign_out($1)", values: [session.hash] })
      .catch((error: unknown) => {
        if (asFederationError(error).code !== "UNAUTHENTICATED") {
          throw error;
        }
      });
  };
  const begin = async (
    former: BrowserSession | undefined,
    open: (hash: Buffer) => Promise<QueryResult<{ person: OpenedPerson }>>,
  ): Promise<SignedIn> => {
    const cookie = randomBytes(32).toString("base64url");
    const { rows } = await open(sessionOf(cookie, false).hash);
    if (former !== undefined) {
      await out(former);
    }
    return { cookie, person: personFrom(rows[0]?.person) };
  };
  return {
    byToken: (token, former) =>
      begin(former, (hash) =>
        sessions.asGatewayOnce({ text: "select federation.sign_in_by_token($1, $2) as person", values: [hash, token] }),
      ),
    byOidc: ({ issuer, subject, userId }, former) =>
      begin(former, (hash) =>
        asAdministrator(adminUrl, (client) =>
          client.query("select federation.sign_in_by_oidc($1, $2, $3, $4) as person", [hash, issuer, subject, userId]),
        ),
      ),
    personOf: (session, deadline) =>
      sessions.asPerson(
        session,
        async (client) => {
          const { rows } = await client.query<{ person: Person }>("select admin_api.me() as person");
          const [row] = rows;
          if (row === undefined) {
            throw new FederationError("UNAUTHENTICATED", "Nobody is signed in.");
          }
          return row.person;
        },
        deadline,
      ),
    out,
  };
}

function personFrom(opened: OpenedPerson | undefined): Person {
  if (opened === undefined) {
    throw new FederationError("INTERNAL", "The database said nothing.");
  }
  const { name, administrator, signedInBy, expiresAt } = opened;
  return { name, isAdministrator: administrator, signedInBy, sessionExpiresAt: expiresAt };
}
