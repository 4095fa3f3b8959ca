import { once } from "node:events";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { publicTls } from "../../../src/listeners/public.ts";
import { createServerIdentity, keepServerIdentity } from "../../../src/listeners/server-identity.ts";
import type { KeptServerIdentity, ServerIdentity } from "../../../src/listeners/server-identity.ts";
import { createLog } from "../../../src/observability/log.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";

const config = parseConfig({ version: 2, tier: "local", host: "work.localhost" });
const root = createRoot({ commonName: "work.localhost", lifetimeDays: 1 });
const authority = createEmbeddedAuthority({ ...root, oidArc: config.oidArc, crlUrl: "https://work.localhost/crl" });
const make = (): Promise<ServerIdentity> => createServerIdentity(authority, config, 5);

let server: Server;
let sockets: TLSSocket[];
let kept: KeptServerIdentity;
let lines: string[];

async function open(): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", ca: authority.rootPem, servername: "work.localhost" });
  sockets.push(socket);
  await once(socket, "secureConnect");
  return socket;
}
const serialOf = async (): Promise<string> => (await open()).getPeerCertificate().serialNumber;

async function serve(renewal: () => Promise<ServerIdentity>): Promise<void> {
  const first = await make();
  server = createServer(publicTls(first), (_, response) => response.end("here"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
  kept = keepServerIdentity({
    first,
    make: renewal,
    apply: (next) => {
      server.setSecureContext(publicTls(next));
    },
    log: createLog("info", stream),
  });
}

beforeEach(() => {
  [sockets, lines] = [[], []];
});
afterEach(async () => {
  await kept.close();
  sockets.forEach((socket) => socket.destroy());
  server.close();
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries += 1) {
    if (tries > 100) {
      throw new Error("it never came");
    }
    await sleep(100);
  }
}

test("a server certificate is renewed before it ends, and connections that are open stay", async () => {
  await serve(make);
  const connection = await open();
  const before = connection.getPeerCertificate().serialNumber;
  await until(async () => (await serialOf()) !== before);
  connection.write("GET / HTTP/1.1\r\nhost: work.localhost\r\n\r\n");
  const [answer] = (await once(connection, "data")) as [Buffer];
  expect(answer.toString()).toContain("200 OK");
});

test("a renewal that fails is logged and tried again, with the certificate that there is", async () => {
  let failures = 2;
  await serve(async () => {
    failures -= 1;
    if (failures >= 0) {
      throw new Error("the authority is away");
    }
    return make();
  });
  const before = await serialOf();
  await until(async () => (await serialOf()) !== before);
  expect(lines.filter((line) => line.includes("the authority is away"))).toHaveLength(2);
});

test("nothing is renewed once the gateway has stopped", async () => {
  let made = 0;
  await serve(() => {
    made += 1;
    return make();
  });
  await kept.close();
  await sleep(1_500);
  expect(made).toBe(0);
});
