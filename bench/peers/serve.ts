import { createServer as createPlainServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { createServer } from "node:https";
import { text } from "node:stream/consumers";
import type { PeerSettings } from "./peer-process.ts";

/** Reads what the parent process said. */
export async function readSettings(): Promise<PeerSettings> {
  return JSON.parse(await text(process.stdin)) as PeerSettings;
}

/** A server with TLS 1.3 and client certificates of the gateway's own root, or with plain HTTP behind a proxy. */
export function createPeerServer({ tls, work, mutual }: PeerSettings, listener?: RequestListener): Server {
  return mutual
    ? createServer(
        {
          cert: tls.certificate,
          key: tls.key,
          ca: work.rootPem,
          requestCert: true,
          rejectUnauthorized: true,
          minVersion: "TLSv1.3",
        },
        listener,
      )
    : createPlainServer(listener);
}

/** Listens on loopback, tells the parent process so, and ends when it says so. */
export function serve(server: Server, { port }: PeerSettings): void {
  server.listen(port, "127.0.0.1", () => process.stdout.write("listening\n"));
  process.once("SIGTERM", () => process.exit(0));
}
