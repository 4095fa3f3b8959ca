import { z } from "zod";
import { rateLimited } from "../../admission/bucket.ts";
import type { Bucket, Limits } from "../../admission/bucket.ts";
import type { AuditQueue } from "../../audit/queue.ts";
import { asFederationError, FederationError } from "../../errors.ts";
import { OIDC_SECONDS } from "../../pages/oidc.ts";
import type { Oidc } from "../../pages/oidc.ts";
import type { SignedIn, SignIn } from "../../pages/sign-in.ts";
import { readJsonBody, sendJson } from "../http.ts";
import { addressOf, sessionIn } from "./asked.ts";
import type { Asked, Routes } from "./asked.ts";
import { readCookie, setCookie } from "./cookies.ts";
import { requireOwnPage } from "./origin.ts";

/** What signing in stands on. */
export interface SignInOptions {
  signIn: SignIn;
  oidc: Oidc | undefined;
  /** Counts attempts to sign in and what is forged, of an address, and what a session asks. */
  bucket: Bucket;
  audit: Pick<AuditQueue, "push">;
}

/** Attempts to sign in that fail, of one address in a minute. */
const ATTEMPTS: Limits = { requestsPerMinute: 60, burst: null };

const signInBody = z.strictObject({ token: z.string().min(1).max(256) });

/** Signing in, by a token or by the provider, and out. */
export function createSignInRoutes({ signIn, oidc, bucket, audit }: SignInOptions): Routes {
  return {
    "POST /pages/sign-in": signInByToken,
    "POST /pages/sign-out": signOut,
    "GET /pages/oidc/start": startOidc,
    "GET /pages/oidc/callback": finishOidc,
  };

  /**
   * Whoever is refused is in the log; whoever is refused too often is not, for the log is not for anybody to fill. Who is not refused is not counted:
   * nobody can lock others out.
   */
  async function attempt(asked: Asked, by: "token" | "oidc", work: () => Promise<SignedIn>): Promise<SignedIn> {
    try {
      return await work();
    } catch (cause) {
      const error = asFederationError(cause);
      const taken = await bucket.take(`sign-in ${addressOf(asked)}`, ATTEMPTS);
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
      await signIn.out(session);
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
}
