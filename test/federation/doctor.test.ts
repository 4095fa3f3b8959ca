import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { asAdministrator } from "../../src/database/administrator.ts";
import { storePeer } from "../../src/client/store-peer.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import type { Examination } from "../../src/setup/doctor/examine.ts";
import { enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
const servers: Server[] = [];

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(async () => {
  servers.forEach((server) => server.close());
  await Promise.all([work.stop(), home.stop()]);
});

async function doctor(...more: string[]): Promise<Examination & { code: number | null }> {
  const { code, stdout } = await runMosaic(["doctor", "--dir", home.directory, "--json", ...more]);
  return { code, ...(JSON.parse(stdout) as Examination) };
}
const PEER = "peer work.localhost of alice-at-home";
const found = (examination: Examination, name: string): { status?: string; detail?: string; remedy?: string } =>
  examination.findings.find((finding) => finding.name === name) ?? {};

/** A peer of Bob's that is a real TLS server with a certificate of its own root, and answers as the test says. */
async function addStrangePeer(host: string, lifetimeSeconds: number, body: unknown): Promise<void> {
  const root = createRoot({ commonName: host, lifetimeDays: 1 });
  const authority = createEmbeddedAuthority({
    ...root,
    oidArc: "1.3.6.1.4.1.32473.1",
    crlUrl: "https://127.0.0.1/crl",
  });
  const { privateKeyPem, privateKeyDer } = generateKeyPair();
  const csrPem = createCsr({ privateKeyPem, commonName: host });
  const served = await authority.issueServerCertificate({ csrPem, names: ["127.0.0.1"], lifetimeSeconds: 3_600 });
  const grantId = "00000000-0000-4000-8000-00000000bbbb";
  const ours = await authority.issueClientCertificate({
    csrPem,
    identity: { grantId, subjectUserId: "bob", host },
    lifetimeSeconds,
  });
  const server = createServer({ cert: served.certificatePem, key: privateKeyPem }, (_, response) =>
    response.end(JSON.stringify(body)),
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await asAdministrator(home.adminUrl, (client) =>
    storePeer(client, loadKeyring(gatewayPaths(home.directory).sealKeys), "bob-at-home", {
      host,
      federationUrl: url,
      publicUrl: url,
      grantId,
      subjectUserId: "bob",
      rootDer: root.certificateDer,
      chainDer: [ours.certificateDer],
      serial: ours.serial,
      notAfter: ours.notAfter,
      privateKeyDer,
    }),
  );
}
const removePeer = (host: string): Promise<unknown> =>
  home.pool.query("select federation.remove_peer('bob-at-home', $1)", [host]);

describe("mosaic doctor, of a gateway that runs and whose peer runs", () => {
  test("finds all green, its own things and the peer's", async () => {
    const examination = await doctor();
    expect(examination).toMatchObject({ code: 0, ok: true, tier: home.gateway.config.tier });
    expect(examination.findings.filter(({ status }) => status !== "green")).toEqual([]);
    expect(found(examination, PEER)).toMatchObject({ scope: "remote", peer: "work.localhost", status: "green" });
    expect(found(examination, "certificate for work.localhost of alice-at-home")).toMatchObject({ status: "green" });
    const names = examination.findings.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["configuration", "sealing keys", "database", "migrations", "clock"]));
    if (home.gateway.config.tier === "federated") {
      expect(names).toEqual(
        expect.arrayContaining(["PostgreSQL", "pgvector", "database privileges", "Valkey", "step-ca"]),
      );
    }
  });

  test("says where the tables of users and memberships lack triggers by which grants end", async () => {
    const NAME = "users and memberships";
    expect(found(await doctor("--local"), NAME)).toMatchObject({ status: "green" });
    await home.pool.query("drop trigger _900_federation_memberships_deleted on app.memberships");
    const examination = await doctor("--local");
    expect(found(examination, NAME)).toMatchObject({
      status: "yellow",
      detail: expect.stringContaining("app.memberships") as unknown,
      remedy: expect.stringContaining("federation.rebind_identity()") as unknown,
    });
    expect(examination.ok).toBe(true);
    await home.pool.query("select federation.rebind_identity()");
    expect(found(await doctor("--local"), NAME)).toMatchObject({ status: "green" });
  });

  test("asks no peer with --local", async () => {
    const examination = await doctor("--local");
    expect(examination.findings.filter(({ scope }) => scope === "remote")).toEqual([]);
    expect(examination.ok).toBe(true);
  });

  test("tells people the same in a table", async () => {
    const { code, stdout } = await runMosaic(["doctor", "--dir", home.directory]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\s*state\s+what\s+found\s*$/m);
    expect(stdout).toMatch(/^\s*green\s+peer work\.localhost of alice-at-home\s+reachable in \d+ ms, protocol 1\s*$/m);
  });

  test("leaves a row in the peer's audit log, as every request does", async () => {
    const { rows } = await work.pool.query<{ count: string }>(
      "select count(*) from federation.list_audit($1, 1000) where verb = 'capabilities' and outcome = 'served'",
      [alice.grantId],
    );
    expect(Number(rows[0]?.count)).toBeGreaterThan(0);
  });
});

describe("mosaic doctor, of a peer", () => {
  test("that suspended the grant: yellow, and the exit code stays 0", async () => {
    await work.pool.query("select federation.suspend_grant($1)", [alice.grantId]);
    const examination = await doctor();
    expect(found(examination, PEER)).toMatchObject({ status: "yellow" });
    expect([examination.ok, examination.code]).toEqual([true, 0]);
    await work.pool.query("select federation.resume_grant($1)", [alice.grantId]);
    expect(found(await doctor(), PEER).status).toBe("green");
  });

  test("that speaks another protocol: red, and both versions are told", async () => {
    await addStrangePeer("new.localhost", 3_600, { data: { capabilities: { protocol: 9 } } });
    const examination = await doctor();
    const peer = found(examination, "peer new.localhost of bob-at-home");
    expect(peer.status).toBe("red");
    expect(peer.detail).toMatch(/\b9\b.*\b1\b/);
    expect([examination.ok, examination.code]).toEqual([false, 78]);
    await removePeer("new.localhost");
  });

  test("that answers with escape sequences is not printed as it is", async () => {
    await addStrangePeer("esc.localhost", 3_600, { data: { capabilities: { protocol: "\u001b]0;owned\u0007" } } });
    const { stdout, stderr } = await runMosaic(["doctor", "--dir", home.directory]);
    expect(stdout).toContain("esc.localhost");
    expect(stdout + stderr).not.toMatch(/[\u001b\u0007]/);
    await removePeer("esc.localhost");
  });

  test("whose certificate is near its end: yellow; past it: red", async () => {
    await addStrangePeer("soon.localhost", 20, { data: { capabilities: { protocol: 1 } } });
    expect(found(await doctor(), "certificate for soon.localhost of bob-at-home").status).toBe("yellow");
    await removePeer("soon.localhost");
    await addStrangePeer("past.localhost", -1, { data: { capabilities: { protocol: 1 } } });
    const examination = await doctor();
    expect(found(examination, "certificate for past.localhost of bob-at-home").status).toBe("red");
    expect(examination.code).toBe(78);
    await removePeer("past.localhost");
  });

  test("that does not answer: red, with its address", async () => {
    await addStrangePeer("gone.localhost", 3_600, {});
    servers.at(-1)?.close();
    const examination = await doctor();
    const peer = found(examination, "peer gone.localhost of bob-at-home");
    expect(peer.status).toBe("red");
    expect(peer.remedy).toContain("https://127.0.0.1:");
    // One that is away keeps nobody else from being looked at.
    expect(found(examination, PEER).status).toBe("green");
    await removePeer("gone.localhost");
  });
});

describe("mosaic doctor, of what the gateway that runs makes of a peer", () => {
  const circuit = "circuit to work.localhost of alice-at-home";
  const ask = (): Promise<unknown> =>
    homeQuery(home, "alice-at-home", `{ search(query: "plan", source: "federated:work.localhost") { hits } }`);
  // A gateway says every five seconds how it does.
  const reported = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5_500));

  test("tells nothing before it was asked, green while it answers, yellow and since when while it is left alone", async () => {
    expect(found(await doctor(), circuit)).toEqual({});
    await ask();
    await reported();
    expect(found(await doctor(), circuit)).toMatchObject({ status: "green", peer: "work.localhost", scope: "remote" });

    await work.gateway.stop();
    for (let n = 0; n < home.gateway.config.circuit.failures; n += 1) {
      await ask();
    }
    await reported();
    await work.restart();
    const examination = await doctor();
    expect(found(examination, circuit)).toMatchObject({ status: "yellow" });
    expect(found(examination, circuit).detail).toMatch(/^(half-)?open, offline since 20\d\d-.* \(PEER_UNREACHABLE\)$/);
    // It answers the doctor again: what is yellow is no reason to fail.
    expect(found(examination, PEER).status).toBe("green");
    expect(examination.code).toBe(0);
  });
});

describe("mosaic doctor, of a gateway that is down", () => {
  test("finds the same, and that nothing listens", async () => {
    await home.gateway.stop();
    const examination = await doctor();
    expect(examination.ok).toBe(true);
    expect(found(examination, PEER).status).toBe("green");
    expect(examination.findings.filter(({ detail }) => detail.startsWith("free"))).toHaveLength(3);
    await home.restart();
  });
});

describe("mosaic doctor, of a peer that ended the grant", () => {
  test("red, and once our gateway knows it, yellow without asking again", async () => {
    await work.pool.query("select federation.revoke_grant($1, 'test')", [alice.grantId]);
    const examination = await doctor();
    expect(found(examination, PEER)).toMatchObject({ status: "red" });
    expect(found(examination, PEER).remedy).toContain("peer add");
    await home.pool.query(
      "select federation.set_peer_state(id, certificate_serial, 'revoked') from federation.list_peers()",
    );
    expect(found(await doctor(), PEER).status).toBe("yellow");
  });
});
