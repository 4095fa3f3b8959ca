import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { rateLimited } from "../../admission/bucket.ts";
import type { Limits } from "../../admission/bucket.ts";
import { startDeadline } from "../../deadline.ts";
import { asFederationError, FederationError } from "../../errors.ts";
import type { PagesExecutor } from "../../graphile/pages-schema.ts";
import { LONG_MS } from "../../pages/ask.ts";
import type { AskPages, PagesCaller } from "../../pages/ask.ts";
import { detailsOf } from "../../pages/person.ts";
import { readJsonBody, sendJson, whenClosed } from "../http.ts";
import { addressOf, sessionIn } from "./asked.ts";
import type { Asked, Routes } from "./asked.ts";
import type { BuiltPages } from "./built-pages.ts";
import { exportAudit } from "./export-audit.ts";
import { PAGES_HEADERS } from "./headers.ts";
import { statusOf } from "./graphql-status.ts";
import { originOf, requireOwnNavigation, requireOwnPage } from "./origin.ts";
import { createSignInRoutes } from "./sign-in-routes.ts";
import type { SignInOptions } from "./sign-in-routes.ts";

/** What the pages stand on. */
export interface PagesOptions extends SignInOptions {
  execute: (...asked: Parameters<PagesExecutor>) => ReturnType<PagesExecutor>;
  ask: AskPages;
  built: BuiltPages;
  /** `pages.url` of the configuration. */
  url: string | undefined;
  /** What a request may take that asks for nothing long, ms. */
  mostMs: number;
  log: { error: (fields: object, message: string) => void };
}

/** Answers what is under /pages/. */
export type Pages = (request: IncomingMessage, response: ServerResponse, requestId: string) => Promise<void>;

/** Requests of one session in a minute. */
const REQUESTS: Limits = { requestsPerMinute: 600, burst: null };

/** What pages of another origin ask of one address in a minute and is written to the log. */
const FORGERIES: Limits = { requestsPerMinute: 60, burst: null };

const MAX_BODY_BYTES = 262_144;

const graphqlBody = z.strictObject({
  query: z.string().max(MAX_BODY_BYTES),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(256).nullish(),
});

/** Sign-in, GraphQL, exports and the built pages, each refusal with its status and code. */
export function createPages(options: PagesOptions): Pages {
  const { signIn, oidc, audit } = options;

  const routes: Routes = {
    "GET /pages/session": showSession,
    ...createSignInRoutes(options),
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
        details: detailsOf(caller.person),
      });
    }
  }

  async function exportRows(asked: Asked): Promise<void> {
    requireOwnNavigation(asked.request);
    const caller = await admittedCallerOf(asked);
    try {
      await exportAudit(asked.response, caller, options.ask, asked.url.searchParams, options.mostMs);
    } catch (error) {
      if (!asked.response.headersSent) {
        throw error;
      }
      // A file that ends early is not to look whole.
      asked.response.destroy(asFederationError(error));
    }
  }
}

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname.replace(/^\/pages\//, "")) || "index.html";
  } catch (cause) {
    throw new FederationError("BAD_REQUEST", "The path cannot be read.", { cause });
  }
}
