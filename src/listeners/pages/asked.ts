import type { IncomingMessage, ServerResponse } from "node:http";
import { networkOf } from "../../admission/network-of.ts";
import type { BrowserSession } from "../../database/session.ts";
import { sessionOf } from "../../pages/sign-in.ts";
import { readCookie } from "./cookies.ts";
import type { PagesOrigin } from "./origin.ts";

/** One request under /pages/. */
export interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  origin: PagesOrigin;
  url: URL;
}

/** What answers a method and a path, such as `GET /pages/session`. */
export type Routes = Readonly<Record<string, (asked: Asked) => Promise<void>>>;

/** The session that the browser says it has; nobody has looked whether it is one. */
export function sessionIn({ request, origin }: Asked, background: boolean): BrowserSession | undefined {
  const cookie = readCookie(request, "session", origin);
  return cookie === undefined ? undefined : sessionOf(cookie, background);
}

/** The network that the request comes from; all that comes by a proxy has the proxy's. */
export function addressOf({ request }: Asked): string {
  return networkOf(request.socket.remoteAddress);
}
