import { createServer, connect as tcp } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
let work: TestGateway; let home: TestGateway;
beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
  home = await openTestGateway("home.localhost", HOME);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

test("R2 a handshake that is held over the retirement of its root", async () => {
  const grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  const rootPem = derToPem(grant.enrolled.rootDer, "CERTIFICATE");
  const { certificate, key } = credentialsOf(grant.enrolled);
  const { code: rotated, stdout } = await runMosaic(["ca", "rotate", "--json", "--dir", work.directory]);
  expect(rotated).toBe(0);
  const old = (JSON.parse(stdout) as { predecessor: string }).predecessor;
  await sleep(3000);
  const { port } = new URL(work.gateway.federationUrl);
  let isHeld = true; const held: Buffer[] = []; let down: Socket | undefined;
  const proxy = createServer((socket) => {
    down = socket;
    const up = tcp(Number(port), "127.0.0.1");
    socket.pipe(up);
    up.on("data", (d) => { if (isHeld) held.push(d); else socket.write(d); });
    up.on("close", () => socket.destroy()); socket.on("close", () => up.destroy());
    up.on("error", () => undefined); socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await sleep(50);
  const client = connect({ host: "127.0.0.1", port: (proxy.address() as AddressInfo).port, rejectUnauthorized: false, cert: certificate, key, minVersion: "TLSv1.3" });
  const text: string[] = []; client.on("data", (d) => text.push(d.toString())); client.on("error", (e) => text.push("error " + e.message)); client.on("close", () => text.push("CLOSED"));
  await sleep(300);
  const at = Date.now();
  const retired = await work.pool.query("select federation.retire_authority($1)", [old]);
  await sleep(2500);
  const again = await mtlsRequest({ url: work.gateway.federationUrl, ca: rootPem, certificate, key, body: { documentId: "list", variables: { resource: "tasks" } } }).catch((e: unknown) => ({ code: String(e) }));
  console.log("R2 new connection under the retired root:", again.code, "after ms", Date.now() - at, "retired", retired.rows);
  isHeld = false; held.forEach((d) => down?.write(d));
  await sleep(500);
  const body = JSON.stringify({ documentId: "list", variables: { resource: "tasks", first: 2 } });
  for (let i = 0; i < 2; i += 1) {
    client.write(`POST /federation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await sleep(i === 0 ? 35_000 : 1500);
  }
  console.log("R2 held connection:", text.map((t) => t.slice(0, 12) + " … " + t.slice(-260)));
  client.destroy(); proxy.close();
}, 120000);
