import type { IncomingMessage } from "node:http";
import type { PagesOrigin } from "./origin.ts";

/** `session` is who is signed in; `oidc` is what a browser keeps while it is at the provider. */
export type PagesCookie = "session" | "oidc";

/**
 * The name of a cookie. The prefix makes browsers refuse one that another host, or a connection without TLS, has set (RFC 6265bis §4.1.3.2); they take it
 * over TLS only.
 */
function nameOf(cookie: PagesCookie, { secure }: PagesOrigin): string {
  return `${secure ? "__Host-" : ""}mosaic-${cookie}`;
}

/** The value of a cookie that a browser sent, where it can be one of ours. */
export function readCookie(request: IncomingMessage, cookie: PagesCookie, origin: PagesOrigin): string | undefined {
  const name = nameOf(cookie, origin);
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [key = "", value = ""] = pair.trim().split("=", 2);
    if (key === name && /^[\w-]{1,2048}$/.test(value)) {
      return value;
    }
  }
  return undefined;
}

/**
 * A `Set-Cookie` header. Browsers take `Secure` without TLS from loopback, which they trust like TLS.
 *
 * @param value undefined takes the cookie back
 * @param seconds how long a browser keeps it; undefined until it is closed
 */
export function setCookie(
  cookie: PagesCookie,
  value: string | undefined,
  origin: PagesOrigin,
  seconds?: number,
): string {
  const age = value === undefined ? 0 : seconds;
  return [
    `${nameOf(cookie, origin)}=${value ?? ""}`,
    // The prefix takes no other path.
    `Path=${origin.secure ? "/" : "/pages/"}`,
    "HttpOnly",
    "Secure",
    // The provider's answer is a navigation from another site, on which Strict would not be sent.
    `SameSite=${cookie === "session" ? "Strict" : "Lax"}`,
    ...(age === undefined ? [] : [`Max-Age=${age}`]),
  ].join("; ");
}
