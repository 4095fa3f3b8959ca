import type { IncomingMessage } from "node:http";
import { FederationError } from "../../errors.ts";

/** Where a browser has found the pages: names of this machine, or the configured origin of a proxy that speaks TLS. */
export interface PagesOrigin {
  /** For example `http://127.0.0.1:8445`. */
  origin: string;
  secure: boolean;
}

/** The header that only our own pages set: no form and no other origin can (Fetch Standard, CORS-safelisted request-header). */
const PAGES_HEADER = "mosaic-pages";

/**
 * The origin that a request was made to.
 *
 * @param configured `pages.url`
 * @throws FederationError BAD_REQUEST for any other name: a page of another origin can make its own name point here
 */
export function originOf(request: IncomingMessage, configured: string | undefined): PagesOrigin {
  const { host = "" } = request.headers;
  const proxied = configured === undefined ? undefined : new URL(configured);
  if (proxied?.host === host) {
    return { origin: proxied.origin, secure: true };
  }
  requireLoopbackName(host);
  return { origin: `http://${host}`, secure: false };
}

/**
 * Refuses a name that is none of loopback.
 *
 * @throws FederationError BAD_REQUEST
 */
export function requireLoopbackName(host: string | undefined): void {
  const name = URL.parse(`http://${host ?? ""}`)?.hostname;
  if (name !== "127.0.0.1" && name !== "[::1]" && name !== "localhost" && name?.endsWith(".localhost") !== true) {
    throw new FederationError("BAD_REQUEST", "The home listener answers to names of this machine only.");
  }
}

/**
 * Refuses a change that a page of another origin has asked for: browsers say of each POST whose page sent it.
 *
 * @throws FederationError ORIGIN_REFUSED
 */
export function requireOwnPage(request: IncomingMessage, { origin }: PagesOrigin): void {
  const site = request.headers["sec-fetch-site"];
  if (
    request.headers.origin !== origin ||
    (site !== undefined && site !== "same-origin") ||
    request.headers[PAGES_HEADER] !== "1"
  ) {
    throw new FederationError("ORIGIN_REFUSED", "The request was not made by the pages of this gateway.");
  }
}

/**
 * Refuses a download that a page of another origin has asked for.
 *
 * @throws FederationError ORIGIN_REFUSED
 */
export function requireOwnNavigation(request: IncomingMessage): void {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new FederationError("ORIGIN_REFUSED", "The request was not made by the pages of this gateway.");
  }
}
