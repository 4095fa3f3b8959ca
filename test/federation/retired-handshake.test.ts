import { once } from "node:events";
import { createServer, connect as tcp } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { requestOnce } from "../../src/client/request-once.ts";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem, pemBlocks } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SOON = { timeout: 20_000 };
const template = inject("template");
const isStepCa = template.kind === "postgres" && template.services !== undefined;

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
// Each retires the root of its gateway.
beforeEach(async () => {
  work = await openTestGateway("work.localhost", WORK);
  home = await openTestGateway("home.localhost", HOME);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", {
    resources: ["tasks"],
    include_teams: ["platform"],
    include_personal: true,
  });
});
afterEach(() => Promise.all([work.stop(), home.stop()]));

/** A way to the listener that passes on what it says once it is released, and everything that it is told at once. */
async function heldWay(): Promise<{ port: number; release(): void; begun: Promise<unknown>; close(): void }> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const proxy = createServer((down) => {
    const up = tcp(Number(new URL(work.gateway.federationUrl).port), "127.0.0.1");
    down.pipe(up);
    up.once("readable", () => {
      begin();
      void released.then(() => up.pipe(down));
    });
    for (const [one, other] of [
      [up, down],
      [down, up],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => {
        other.destroySoon();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { port: (proxy.address() as AddressInfo).port, release, begun, close: () => proxy.close() };
}
/** @param further certificates that the peer sends beside its own, PEM */
function dial(port: number, further: string): { socket: TLSSocket; said: () => string } {
  const { certificate, key } = credentialsOf(alice.enrolled);
  // Whom it reaches is not what is tested here: the root may be gone.
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, cert: certificate + further, key });
  const said: string[] = [];
  socket.on("data", (data: Buffer) => said.push(data.toString()));
  socket.on("error", () => undefined);
  return { socket, said: () => said.join("") };
}
function ask(socket: TLSSocket): void {
  const body = JSON.stringify({ documentId: "list", variables: { resource: "tasks", first: 2 } });
  socket.write(
    `POST /federation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}
const refused = async (): Promise<number> =>
  (await auditRows(work)).filter(({ verb, code }) => verb === "handshake" && code === "TLS_REFUSED").length;

/** The roots that stay, which are everybody's to have, and to send beside a certificate that they have nothing to do with. */
async function stayingRoots(): Promise<string> {
  const shown = await requestOnce(work.gateway.publicUrl, { rejectUnauthorized: false }, 5_000, {
    method: "GET",
    path: "/root.pem",
  });
  const bare = (pem: string): string => pem.replace(/\s/g, "");
  const old = bare(derToPem(alice.enrolled.rootDer, "CERTIFICATE"));
  const staying = pemBlocks(shown.text, "CERTIFICATE").filter((pem) => bare(pem) !== old);
  expect(staying).not.toEqual([]);
  return `\n${staying.join("\n")}\n`;
}

describe.skipIf(isStepCa)("a handshake that began before a root was retired", () => {
  test.each([
    ["with its certificate alone", (): Promise<string> => Promise.resolve("")],
    ["with a root that stays in its chain", stayingRoots],
  ])(
    "%s serves where it ends before, and where it ends after opens nothing, which the audit log has",
    async (_, beside) => {
      const { stdout } = await runMosaic(["ca", "rotate", "--json", "--dir", work.directory]);
      const { predecessor } = JSON.parse(stdout) as { predecessor: string };
      const further = await beside();

      const inTime = await heldWay();
      const served = dial(inTime.port, further);
      await inTime.begun;
      inTime.release();
      ask(served.socket);
      await expect.poll(served.said, SOON).toMatch(/^HTTP\/1\.1 200 /);
      served.socket.destroy();
      inTime.close();

      const late = await heldWay();
      const open = dial(Number(new URL(work.gateway.federationUrl).port), further);
      await once(open.socket, "secureConnect");
      const outlasting = dial(late.port, further);
      await late.begun;
      const { code } = await runMosaic(["ca", "retire", predecessor, "--json", "--dir", work.directory]);
      expect(code).toBe(0);
      const anew = (): Promise<string> =>
        mtlsRequest({
          url: work.gateway.federationUrl,
          ca: derToPem(alice.enrolled.rootDer, "CERTIFICATE"),
          ...credentialsOf(alice.enrolled),
          body: { documentId: "capabilities", variables: {} },
        }).then((answer) => answer.code);
      await expect.poll(anew, SOON).toBe("TLS_REFUSED");
      ask(open.socket);
      await sleep(1_500);
      expect(open.said()).toBe("");
      const before = await refused();
      const closed = once(outlasting.socket, "close");
      late.release();
      ask(outlasting.socket);
      await closed;
      expect(outlasting.said()).toBe("");
      expect(await refused()).toBe(before + 1);
      late.close();
    },
  );
});
