import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { Client } from "undici";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { gatewayPaths } from "../../src/config/paths.ts";
import { credentialsOf } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { KEYRING_VARIABLE } from "../../src/seal/keyring.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { grantByHand } from "../harness/renewal.ts";
import { nameOf, pass, servedBy } from "../harness/rotation.ts";

const SOON = { timeout: 20_000 };
const template = inject("template");
const isStepCa = template.kind === "postgres" && template.services !== undefined;

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
beforeEach(async () => {
  work = await openTestGateway("work.localhost", WORK);
  home = await openTestGateway("home.localhost", HOME);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", {
    resources: ["tasks"],
    include_teams: ["platform"],
    include_personal: true,
  });
});
afterEach(async () => {
  await Promise.all([work.stop(), home.stop()]);
  vi.restoreAllMocks();
});

const verdicts = async (): Promise<string[]> =>
  (await auditRows(work)).map(({ verb, outcome, code, grant_id: id }) => `${verb} ${outcome} ${code} ${id ?? ""}`);

/** The sealing keys of the gateway with one more, which seals from now on. */
function withNewerKey(file: string): string {
  const { keys } = JSON.parse(readFileSync(file, "utf8")) as { keys: Record<string, string> };
  return JSON.stringify({ version: 1, current: 2, keys: { ...keys, 2: randomBytes(32).toString("base64") } });
}

describe.skipIf(isStepCa)("a root whose key this gateway cannot unseal", () => {
  test("is trusted, keeps no retired one trusted, and signs here once the sealing key is there", async () => {
    const file = gatewayPaths(work.directory).sealKeys;
    const newer = withNewerKey(file);
    // As on another machine, whose sealing keys this gateway has not got yet.
    const elsewhere = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runMosaic([...args, "--json", "--dir", work.directory], "", {
        [KEYRING_VARIABLE]: newer,
      });
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };
    const peer = grantByHand(work, alice);
    const { predecessor } = JSON.parse(await elsewhere("ca", "rotate")) as { predecessor: string };
    await expect.poll(() => work.log(), SOON).toContain("SEAL_BROKEN");
    expect(await peer.says(peer.first)).toBe("OK");

    await elsewhere("ca", "retire", predecessor);
    await expect.poll(() => peer.says(peer.first), SOON).toBe("TLS_REFUSED");
    expect((await peer.at(peer.first, "/renew")).code).toBe("TLS_REFUSED");
    await expect.poll(verdicts, SOON).toContain("handshake denied TLS_REFUSED ");

    writeFileSync(file, newer);
    await pass(work, "2 minutes");
    const { rows } = await work.pool.query<{ der: Buffer }>(
      "select certificate_der as der from federation.list_authorities() where retired_at is null",
    );
    const root = derToPem(rows[0]?.der ?? Buffer.alloc(0), "CERTIFICATE");
    await expect
      .poll(() => servedBy(work, root).catch((error: unknown) => String(error)), SOON)
      .toEqual([nameOf(root), nameOf(root)]);
  });
});

describe.skipIf(isStepCa)("a gateway that could not read its roots for five minutes", () => {
  test("lets nobody in, refuses verbs and renewals on connections that are open, and serves once it could", async () => {
    const peer = grantByHand(work, alice);
    const ca = derToPem(alice.enrolled.rootDer, "CERTIFICATE");
    const { certificate: cert, key } = credentialsOf(alice.enrolled);
    const open = new Client(work.gateway.federationUrl, { connect: { ca, cert, key } });
    const ask = async (path: string, body: object): Promise<[number, string | undefined]> => {
      const answer = await open.request({
        method: "POST",
        path,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const read = (await answer.body.json()) as { errors?: { extensions: { code: string } }[] };
      return [answer.statusCode, read.errors?.[0]?.extensions.code];
    };
    const list = { documentId: "list", variables: { resource: "tasks", first: 1 } };
    expect(await ask("/federation", list)).toEqual([200, undefined]);

    const tell = `select federation.send_notice('{"authorities": true}')`;
    await work.pool.query("revoke execute on function federation.list_authorities() from federation_gateway");
    await work.pool.query(tell);
    await expect.poll(() => work.log(), SOON).toContain("the certificate authorities could not be read");
    expect(await peer.says(peer.first)).toBe("OK");

    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 5 * 60_000);
    expect(await ask("/federation", list)).toEqual([503, "UNAVAILABLE"]);
    expect(await ask("/renew", { csr: "" })).toEqual([503, "UNAVAILABLE"]);
    expect(await peer.says(peer.first)).toBe("TLS_REFUSED");
    await expect
      .poll(verdicts, SOON)
      .toEqual(
        expect.arrayContaining([
          `unknown failed UNAVAILABLE ${alice.grantId}`,
          `handshake denied UNAVAILABLE ${alice.grantId}`,
        ]),
      );

    await work.pool.query("grant execute on function federation.list_authorities() to federation_gateway");
    await work.pool.query(tell);
    await expect.poll(() => peer.says(peer.first), SOON).toBe("OK");
    await open.destroy();
  });
});
