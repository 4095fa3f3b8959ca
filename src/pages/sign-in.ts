import { createHash, randomBytes } from "node:crypto";
import type { BrowserSession, Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { Deadline } from "../deadline.ts";
import type { OidcAccount } from "./oidc.ts";
import type { Person } from "./person.ts";

/** A browser that has just been signed in. */
export interface SignedIn {
  /** What the browser is to keep; the database has its hash. */
  cookie: string;
  person: Person;
}

/** Signs browsers in and out. Every method throws FederationError UNAUTHENTICATED, with no hint at what was wrong. */
export interface SignIn {
  /** As the administrator or the local user of a token; the session ends with it. */
  byToken(token: string): Promise<SignedIn>;
  /** As whom a provider has named: an administrator or a local user. */
  byOidc(account: OidcAccount): Promise<SignedIn>;
  /** Who is signed in by a session. */
  personOf(session: BrowserSession, deadline?: Deadline): Promise<Person>;
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

/** Sign-in over the sessions of the gateway. */
export function createSignIn(sessions: Sessions): SignIn {
  const begin = async (statement: string, values: unknown[]): Promise<SignedIn> => {
    const cookie = randomBytes(32).toString("base64url");
    const { rows } = await sessions.asGateway((client) =>
      client.query<{ person: OpenedPerson }>(`select federation.${statement} as person`, [
        sessionOf(cookie, false).hash,
        ...values,
      ]),
    );
    return { cookie, person: personFrom(rows[0]?.person) };
  };
  return {
    byToken: (token) => begin("sign_in_by_token($1, $2)", [token]),
    byOidc: ({ issuer, subject, userId }) => begin("sign_in_by_oidc($1, $2, $3, $4)", [issuer, subject, userId]),
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
    out: async (session) => {
      await sessions.asGateway((client) => client.query("select federation.sign_out($1)", [session.hash]));
    },
  };
}

function personFrom(opened: OpenedPerson | undefined): Person {
  if (opened === undefined) {
    throw new FederationError("INTERNAL", "The database said nothing.");
  }
  const { name, administrator, signedInBy, expiresAt } = opened;
  return { name, isAdministrator: administrator, signedInBy, sessionExpiresAt: expiresAt };
}
