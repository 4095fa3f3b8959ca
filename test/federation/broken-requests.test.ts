import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", { resources: ["tasks"], include_personal: true });
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

test.each([
  ["garbage", ["HELLO\r\n\r\n", ...Array.from({ length: 20 }, (_, index) => `MORE ${index}\r\n\r\n`)]],
  [
    "a body that breaks behind an expectation that is unknown",
    [
      "POST /federation HTTP/1.1\r\nhost: x\r\nexpect: a miracle\r\ntransfer-encoding: chunked\r\n\r\n",
      "no number\r\n",
    ],
  ],
])("%s has one row of the audit log, however many pieces come", async (_, pieces) => {
  const before = (await auditRows(work, alice.grantId)).length;
  const { certificate, key } = credentialsOf(alice.enrolled);
  const { hostname, port } = new URL(work.gateway.federationUrl);
  const ca = derToPem(alice.enrolled.rootDer, "CERTIFICATE");
  const socket = connect({ host: hostname, port: Number(port), ca, cert: certificate, key });
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  socket.setNoDelay(true);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined).resume();
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  expect(await auditRows(work, alice.grantId)).toHaveLength(before + 1);
});
