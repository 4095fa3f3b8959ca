import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { rateLimited } from "../../admission/bucket.ts";
import type { Bucket, Limits } from "../../admission/bucket.ts";
import type { AuditQueue } from "../../audit/queue.ts";
import type { BrowserSession } from "../../database/session.ts";
import { startDeadline } from "../../deadline.ts";
import { asFederationError, FederationError } from "../../errors.ts";
import type { PagesExecutor } from "../../graphile/pages-schema.ts";
import { LONG_MS } from "../../pages/ask.ts";
import type { AskPages, PagesCaller } from "../../pages/ask.ts";
import type { Oidc } from "../../pages/oidc.ts";
import { OIDC_SECONDS } from "../../pages/oidc.ts";
import { sessionOf } from "../../pages/sign-in.ts";
import type { SignedIn, SignIn } from "../../pages/sign-in.ts";
import { readJsonBody, sendJson, whenClosed } from "../http.ts";
import type { BuiltPages } from "./built-pages.ts";
import { readCookie, setCookie } from "./cookies.ts";
import { exportAudit } from "./export-audit.ts";
import { PAGES_HEADERS } from "./headers.ts";
import { statusOf } from "./graphql-status.ts";
import { originOf, requireOwnNavigation, requireOwnPage } from "./origin.ts";
import type { PagesOrigin } from "./origin.ts";

/** What the pages stand on. */
export interface PagesOptions {
  signIn: SignIn;
  oidc: Oidc | undefined;
  execute: PagesExecutor;
  ask: AskPages;
  built: BuiltPages;
  /** Counts attempts to sign in and what is forged, of an address, and what a session asks. */
  bucket: Bucket;
  audit: Pick<AuditQueue, "push">;
  /** `pages.url` of the configuration. */
  url: string | undefined;
  /** What a request may take that asks for nothing long, ms. */
  mostMs: number;
  log: { error: (fields: object, message: string) => void };
}

/** Answers what is under /pages/. */
export type Pages = (request: IncomingMessage, response: ServerResponse, requestId: string) => Promise<void>;

/** One request under /pages/. */
interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  origin: PagesOrigin;
  url: URL;
}

/** Attempts to sign in that fail, of one address in a minute. */
const ATTEMPTS: Limits = { requestsPerMinute: 60, burst: null };

/** Requests of one session in a minute. */
const REQUESTS: Limits = { requestsPerMinute: 600, burst: null };

/** What pages of another origin ask of one address in a minute and is written to the log. */
const FORGERIES: Limits = { requestsPerMinute: 60, burst: null };

const MAX_BODY_BYTES = 262_144;

const signInBody = z.strictObject({ token: z.string().min(1).max(256) });

const graphqlBody = z.strictObject({
  query: z.string().max(MAX_BODY_BYTES),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(256).nullish(),
});

/** Sign-in, GraphQL, exports and the built pages, each refusal with its status and code. */
export function createPages(options: PagesOptions): Pages {
  const { signIn, oidc, audit } = options;

  const routes: Readonly<Record<string, (asked: Asked) => Promise<void>>> = {
    "GET /pages/session": showSession,
    "POST /pages/sign-in": signInByToken,
    "POST /pages/sign-out": signOut,
    "GET /pages/oidc/start": startOidc,
    "GET /pages/oidc/callback": finishOidc,
    "POST /pages/graphql": graphql,
    "GET /pages/audit/export": exportRows,
  };
  const paths = new Set(Object.keys(routes).map((route) => route.split(" ")[1]));

  return async (request, response, requestId) => {
    for (const [name, value] of Object.entries(PAGES_HEADERS)) {
      response.setHeader(name, value);
    }
    const origin = originOf(request, options.url);
    const url = URL.parse(request.url ?? "", origin.origin);
    if (url === null) {
      throw new FederationError("BAD_REQUEST", "The path cannot be read.");
    }
    const route = routes[`${request.method} ${url.pathname}`];
    if (route !== undefined) {
      await route({ request, response, requestId, origin, url });
      return;
    }
    if (paths.has(url.pathname) || (request.method !== "GET" && request.method !== "HEAD")) {
      throw new FederationError("METHOD_NOT_ALLOWED", "The path takes another method.");
    }
    if (url.pathname === "/pages") {
      response.writeHead(308, { location: "/pages/", "cache-control": "no-cache" }).end();
      return;
    }
    await options.built.send(request, response, decodePath(url.pathname));
  };

  function sessionIn({ request, origin }: Asked, background: boolean): BrowserSession | undefined {
    const cookie = readCookie(request, "session", origin);
    return cookie === undefined ? undefined : sessionOf(cookie, background);
  }

  /** @throws FederationError UNAUTHENTICATED */
  async function callerOf(
    asked: Asked,
    { ms = options.mostMs, background = asked.request.headers["mosaic-background"] === "1" } = {},
  ): Promise<PagesCaller> {
    const { response } = asked;
    const session = sessionIn(asked, background);
    if (session === undefined) {
      throw new FederationError("UNAUTHENTICATED", "Nobody is signed in.");
    }
    const deadline = startDeadline(ms);
    whenClosed(response, () => {
      if (!response.writableFinished) {
        deadline.cancel();
      }
      deadline.end();
    });
    return { session, deadline, person: await signIn.personOf(session, deadline) };
  }

  /** @throws FederationError UNAUTHENTICATED, RATE_LIMITED, which is not in the log: that is not for anybody to fill */
  async function admittedCallerOf(asked: Asked, ms?: number): Promise<PagesCaller> {
    const caller = await callerOf(asked, ms === undefined ? {} : { ms });
    const taken = await options.bucket.take(`session ${caller.session.hash.toString("hex")}`, REQUESTS);
    if (!taken.allowed) {
      throw rateLimited(taken);
    }
    return caller;
  }

  async function showSession(asked: Asked): Promise<void> {
    const person = await callerOf(asked).then(
      (caller) => caller.person,
      (error: unknown) => {
        if (asFederationError(error).code === "UNAUTHENTICATED") {
          return null;
        }
        throw error;
      },
    );
    sendJson(asked.response, 200, { person, oidc: oidc !== undefined });
  }

  /**
   * Whoever is refused is in the log; whoever is refused too often is not, for the log is not for anybody to fill. Who is not refused is not counted:
   * nobody can lock others out.
   */
  async function attempt(asked: Asked, by: "token" | "oidc", work: () => Promise<SignedIn>): Promise<SignedIn> {
    try {
      return await work();
    } catch (cause) {
      const error = asFederationError(cause);
      const taken = await options.bucket.take(`sign-in ${addressOf(asked)}`, ATTEMPTS);
      if (!taken.allowed) {
        throw rateLimited(taken);
      }
      audit.push({
        at: new Date().toISOString(),
        verb: "pages.sign_in",
        outcome: error.status < 500 ? "denied" : "failed",
        code: error.code,
        request_id: asked.requestId,
        details: { via: "pages", by },
      });
      throw error;
    }
  }

  async function signInByToken(asked: Asked): Promise<void> {
    const { request, response, origin } = asked;
    requireOwnPage(request, origin);
    const { cookie, person } = await attempt(asked, "token", async () => {
      const body = signInBody.safeParse(await readJsonBody(request, { bytes: 4_096, ms: 10_000 }));
      if (!body.success) {
        throw new FederationError("BAD_REQUEST", "The body is {token}.");
      }
      return signIn.byToken(body.data.token, sessionIn(asked, true));
    });
    response.setHeader("set-cookie", setCookie("session", cookie, origin));
    sendJson(response, 200, { person });
  }

  async function signOut(asked: Asked): Promise<void> {
    const { request, response, origin } = asked;
    requireOwnPage(request, origin);
    const session = sessionIn(asked, true);
    if (session !== undefined) {
      await signIn.out(session).catch((error: unknown) => {
        if (asFederationError(error).code !== "UNAUTHENTICATED") {
          throw error;
        }
      });
    }
    response.setHeader("set-cookie", setCookie("session", undefined, origin));
    response.writeHead(204, { "cache-control": "no-store" }).end();
  }

  function provider(): Oidc {
    if (oidc === undefined) {
      throw new FederationError("NOT_FOUND", "No OpenID Connect provider is configured.");
    }
    return oidc;
  }

  async function startOidc(asked: Asked): Promise<void> {
    const { response, origin } = asked;
    const { url, kept } = await provider().start(
      `${origin.origin}/pages/oidc/callback`,
      sessionIn(asked, true)?.hash.toString("hex"),
    );
    response.setHeader("set-cookie", setCookie("oidc", kept, origin, OIDC_SECONDS));
    response.writeHead(302, { location: url.href, "cache-control": "no-store" }).end();
  }

  async function finishOidc(asked: Asked): Promise<void> {
    const { request, response, origin, url } = asked;
    const from = provider();
    const cookies = [setCookie("oidc", undefined, origin)];
    let status = 200;
    let refused = "";
    try {
      const begun = from.begun(readCookie(request, "oidc", origin));
      if (begun === undefined) {
        // Any page can send a browser here: what this one did not begin is no attempt to sign in.
        throw new FederationError("UNAUTHENTICATED", "The sign-in was not begun by this browser, or too long ago.");
      }
      const former =
        begun.former === undefined ? undefined : { hash: Buffer.from(begun.former, "hex"), background: true };
      const { cookie } = await attempt(asked, "oidc", async () => signIn.byOidc(await from.finish(url, begun), former));
      cookies.push(setCookie("session", cookie, origin));
    } catch (cause) {
      const error = asFederationError(cause);
      status = error.status;
      refused = `?refused=${error.code}`;
    }
    response.setHeader("set-cookie", cookies);
    // A page, and no redirect: the cookie is not sent on a navigation that another site began, and what a page of ours begins is ours.
    const body = `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/pages/${refused}"><title>Signing in</title><a href="/pages/${refused}">Go on</a>`;
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(body);
  }

  async function graphql(asked: Asked): Promise<void> {
    const { request, response, requestId, origin } = asked;
    try {
      requireOwnPage(request, origin);
    } catch (error) {
      await auditForgery(asked);
      throw error;
    }
    const caller = await admittedCallerOf(asked, Math.max(options.mostMs, LONG_MS));
    const read = graphqlBody.safeParse(await readJsonBody(request, { bytes: MAX_BODY_BYTES, ms: 10_000 }));
    if (!read.success) {
      throw new FederationError("BAD_REQUEST", "The body is {query, variables, operationName}.");
    }
    const result = await options.execute({
      ...read.data,
      variables: read.data.variables,
      operationName: read.data.operationName,
      caller,
      fault: (error) => {
        if (error.code === "INTERNAL") {
          options.log.error({ err: error.cause, requestId }, "a request failed");
        }
      },
    });
    sendJson(response, statusOf(result), result);
  }

  /** What another page has asked for in the name of somebody who is signed in, whose idle session it does not keep alive. */
  async function auditForgery(asked: Asked): Promise<void> {
    if (!(await options.bucket.take(`forgeries ${addressOf(asked)}`, FORGERIES)).allowed) {
      return;
    }
    const caller = await callerOf(asked, { background: true }).catch(() => undefined);
    if (caller !== undefined) {
      audit.push({
        at: new Date().toISOString(),
        verb: "pages.graphql",
        outcome: "denied",
        code: "ORIGIN_REFUSED",
        request_id: asked.requestId,
        details: { via: "pages", person: caller.person.name },
      });
    }
  }

  async function exportRows(asked: Asked): Promise<void> {
    requireOwnNavigation(asked.request);
    const caller = await admittedCallerOf(asked);
    try {
      await exportAudit(asked.response, caller, options.ask, asked.url.searchParams);
    } catch (error) {
      if (!asked.response.headersSent) {
        throw error;
      }
      // A file that ends early is not to look whole.
      asked.response.destroy(asFederationError(error));
    }
  }
}

function addressOf({ request }: Asked): string {
  return request.socket.remoteAddress ?? "unknown";
}

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname.replace(/^\/pages\//, "")) || "index.html";
  } catch (cause) {
    throw new FederationError("BAD_REQUEST", "The path cannot be read.", { cause });
  }
}
