import { createServer as createPlainServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { text } from "node:stream/consumers";
import type { PeerSettings } from "./peer-process.ts";

/** Reads what the parent process said. */
export async function readSettings(): Promise<PeerSettings> {
  return JSON.parse(await text(process.stdin)) as PeerSettings;
}

/** Serves on loopback, over TLS 1.3 with client certificates of the gateway's own root, or over plain HTTP behind a proxy. */
export function serve({ tls, work, port, mutual }: PeerSettings, listener: RequestListener): void {
  const server = mutual
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
  server.listen(port, "127.0.0.1", () => process.stdout.write("listening\n"));
  process.once("SIGTERM", () => process.exit(0));
}
