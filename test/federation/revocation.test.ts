import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Client } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem } from "../../src/pki/der.ts";
import { createEmbeddedAuthority } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import { auditRows, createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { HomeAnswer, TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { grantByHand, newRequest } from "../harness/renewal.ts";
import { openSigner } from "../harness/signer.ts";
import { hasOpenssl, openssl } from "../unit/pki/openssl.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
let ca: string;
beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, {
      limits: { requestsPerMinute: 100_000, peerTimeoutMs: 3_000 },
      cache: { bytes: 0 },
      circuit: { failures: 1_000 },
    }),
  ]);
});
beforeEach(async () => {
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  ca = derToPem(grant.enrolled.rootDer, "CERTIFICATE");
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

const ask = (session = "s"): Promise<HomeAnswer> =>
  homeQuery(
    home,
    "alice-at-home",
    `{ list(resource: "tasks", source: "all") { rows sources { source error { code } } } }`,
    {},
    { "mosaic-session": session },
  );
const codeOf = (answer: HomeAnswer): string => {
  if (answer.data == null) {
    throw new Error(JSON.stringify(answer));
  }
  return (
    (answer.data as { list: { sources: { source: string; error: { code: string } | null }[] } }).list.sources.find(
      ({ source }) => source === SOURCE,
    )?.error?.code ?? "OK"
  );
};
const stateOfPeer = async (): Promise<string | undefined> =>
  (await home.pool.query<{ state: string }>("select state from federation.list_peers()")).rows[0]?.state;
const directly = (of: TestGrant) =>
  mtlsRequest({
    url: work.gateway.federationUrl,
    ca,
    ...credentialsOf(of.enrolled),
    body: { documentId: "capabilities", variables: {} },
  });
/** Waits until it holds, two seconds at most. */
async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 40; tries += 1) {
    if (await holds()) {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
const refusedAtTls = (of: TestGrant): Promise<boolean> =>
  until(async () => (await directly(of)).code === "TLS_REFUSED");

async function getCrl(
  path = "/crl",
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  const client = new Client(work.gateway.publicUrl, { connect: { ca } });
  const answer = await client.request({ method: "GET", path, headers });
  const body = Buffer.from(await answer.body.arrayBuffer());
  await client.destroy();
  return { status: answer.statusCode, headers: answer.headers, body };
}

describe("acceptance 1 and 7: a grant that was revoked", () => {
  test("is refused at TLS, and the log says whose certificate it was", async () => {
    expect((await directly(grant)).status).toBe(200);
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    expect(await refusedAtTls(grant)).toBe(true);
    expect(await auditRows(work, grant.grantId)).toContainEqual(
      expect.objectContaining({
        verb: "handshake",
        outcome: "denied",
        code: expect.stringMatching(/^(GRANT|CERTIFICATE)_REVOKED$/) as unknown,
      }),
    );
  });

  test("is known as revoked to its peer, whose user is told so once", async () => {
    expect(codeOf(await ask())).toBe("OK");
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    expect(await refusedAtTls(grant)).toBe(true);
    const first = await ask("told");
    expect(codeOf(first)).toBe("GRANT_REVOKED");
    expect(first.extensions?.signals).toEqual([
      { source: SOURCE, state: "ended", message: "federation ended by work.localhost" },
    ]);
    expect(await stateOfPeer()).toBe("revoked");
    const second = await ask("told");
    expect(codeOf(second)).toBe("GRANT_REVOKED");
    expect(second.extensions).toBeUndefined();
  });

  test("that ends by time is known as expired", async () => {
    await work.pool.query("update federation.federation_grants set expires_at = now() where id = $1", [grant.grantId]);
    await work.pool.query("select federation.expire_grants()");
    expect(await refusedAtTls(grant)).toBe(true);
    // The list that another peer of the same gateway was told by is fetched again after a moment.
    await expect.poll(async () => codeOf(await ask()), { timeout: 30_000, interval: 2_000 }).toBe("GRANT_EXPIRED");
    expect(await stateOfPeer()).toBe("revoked");
  });

  test("loses its open connection, and what is on its way there is answered as a refusal or not at all", async () => {
    const { certificate: cert, key } = credentialsOf(grant.enrolled);
    const client = new Client(work.gateway.federationUrl, { connect: { ca, cert, key } });
    const say = async (): Promise<number> => {
      const { statusCode, body } = await client.request({
        method: "POST",
        path: "/federation",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ documentId: "list", variables: { resource: "tasks" } }),
      });
      await body.dump();
      return statusCode;
    };
    expect(await say()).toBe(200);
    const closed = new Promise((resolve) => client.once("disconnect", resolve));
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    await closed;
    await expect(say()).rejects.toThrow();
    await client.destroy();
  });
});

/** A server of work's authority whose certificate has ended: what a clock that is ahead makes of one that has not. */
async function expiredServer(): Promise<{ url: string; close: () => void }> {
  const { privateKeyPem } = generateKeyPair();
  const signer = await openSigner(work.directory);
  const authority = createEmbeddedAuthority({
    ...signer,
    oidArc: work.gateway.config.oidArc,
    crlUrl: "https://127.0.0.1/crl",
  });
  const { certificatePem } = await authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: "work.localhost" }),
    names: ["127.0.0.1"],
    lifetimeSeconds: 1,
  });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const server = createServer({ cert: [certificatePem, ...signer.chainPem].join(""), key: privateKeyPem });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

describe("acceptance 7: what is no revocation", () => {
  test("leaves the peer as it was: resets, silence, garbage, a name that is none, a certificate that has ended by our clock, a list of another", async () => {
    const proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
    await home.pool.query("update federation.federation_peers set federation_url = $1", [proxy.url]);
    for (const kind of ["reset", "black hole", "garbage", "refused"] as const) {
      await proxy.set({ kind });
      expect(codeOf(await ask())).toMatch(/^PEER_/);
      expect(await stateOfPeer()).not.toBe("revoked");
    }
    const early = await expiredServer();
    await home.pool.query("update federation.federation_peers set federation_url = $1", [early.url]);
    expect(codeOf(await ask())).toBe("PEER_UNTRUSTED");
    early.close();
    await home.pool.query("update federation.federation_peers set federation_url = 'https://nowhere.invalid:1'");
    expect(codeOf(await ask())).toBe("PEER_UNREACHABLE");
    // The peer's list cannot be had, or is another authority's.
    for (const url of [proxy.url, home.gateway.publicUrl]) {
      await home.pool.query("update federation.federation_peers set public_url = $1", [url]);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect(codeOf(await ask())).toBe("PEER_UNREACHABLE");
    }
    expect(await stateOfPeer()).not.toBe("revoked");
    await home.pool.query("update federation.federation_peers set federation_url = $1, public_url = $2", [
      work.gateway.federationUrl,
      work.gateway.publicUrl,
    ]);
    expect(codeOf(await ask())).toBe("OK");
    await proxy.close();
  });
});

describe("acceptance 2: deleting the subject", () => {
  test("revokes every grant of that subject", async () => {
    const bobs = [
      await enrollGrant(work, home, "bob", "bob-at-home", SCOPE),
      await enrollGrant(work, home, "bob", "alice-at-home", SCOPE),
    ];
    await work.pool.query(
      "begin; delete from app.tasks where owner_id = 'bob'; delete from app.users where id = 'bob'; commit",
    );
    for (const one of bobs) {
      expect(await refusedAtTls(one)).toBe(true);
    }
    expect((await directly(grant)).status).toBe(200);
  });
});

describe("acceptance 3 and 4: the list of revoked certificates", () => {
  test("names the revoked serial, is accepted by OpenSSL, and tells a cache what it needs", async (context) => {
    const kept = await enrollGrant(work, home, "carol", "bob-at-home", SCOPE);
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    expect(await refusedAtTls(grant)).toBe(true);
    const [der, pem] = [await getCrl(), await getCrl("/crl.pem")];
    expect([der.headers["content-type"], pem.headers["content-type"]]).toEqual([
      "application/pkix-crl",
      "application/x-pem-file",
    ]);
    expect(der.headers["cache-control"]).toMatch(/^public, max-age=\d+$/);
    const again = await getCrl("/crl", { "if-none-match": String(der.headers["etag"]) });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    if (!hasOpenssl()) {
      context.skip();
      return;
    }
    const [leaf = Buffer.alloc(0), ...chain] = grant.enrolled.chainDer;
    const issuer = chain[0] === undefined ? ca : derToPem(chain[0], "CERTIFICATE");
    const files = {
      "issuer.pem": issuer,
      "crl.pem": pem.body.toString(),
      "revoked.pem": derToPem(leaf, "CERTIFICATE"),
      "kept.pem": derToPem(kept.enrolled.chainDer[0] ?? Buffer.alloc(0), "CERTIFICATE"),
    };
    const check = (file: string): string =>
      openssl(["verify", "-partial_chain", "-crl_check", "-CRLfile", "crl.pem", "-trusted", "issuer.pem", file], files)
        .output;
    expect(check("revoked.pem")).toContain("certificate revoked");
    expect(check("kept.pem")).toContain("kept.pem: OK");
    expect(openssl(["crl", "-text", "-noout", "-in", "crl.pem"], files).output).toMatch(/Privilege Withdrawn/);
  });

  test("grows in its number with each revocation, and a certificate in it is refused though its grant goes on", async () => {
    const before = await getCrl();
    await work.pool.query("select * from federation.revoke_certificate($1, 'keyCompromise')", [grant.enrolled.serial]);
    expect(await refusedAtTls(grant)).toBe(true);
    expect(await until(async () => (await getCrl()).headers["etag"] !== before.headers["etag"])).toBe(true);
    const numberOf = ({ headers }: { headers: Record<string, unknown> }): number =>
      Number(/^"(\d+)-/.exec(String(headers["etag"]))?.[1]);
    expect(numberOf(await getCrl())).toBeGreaterThan(numberOf(before));
    const { rows } = await work.pool.query<{ status: string }>(
      "select status from federation.list_grants() where id = $1",
      [grant.grantId],
    );
    expect(rows).toEqual([{ status: "active" }]);
    await expect
      .poll(async () => codeOf(await ask()), { timeout: 30_000, interval: 2_000 })
      .toBe("CERTIFICATE_REVOKED");
  });
});

describe("a gateway that is not told of changes", () => {
  test.skipIf(inject("template").kind === "pglite")(
    "says so, refuses by what each transaction reads, and listens again (on a server: the embedded database has no connection to lose)",
    async () => {
      const listening = async (): Promise<boolean> =>
        (await (await fetch(`${work.gateway.homeUrl}/metrics`)).text()).includes("mosaic_listening 1");
      expect(await until(listening)).toBe(true);
      await work.pool.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %' or query = 'select 1' and state = 'idle' and datname = current_database()",
      );
      await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
      const { code } = await directly(grant);
      expect(["GRANT_REVOKED", "TLS_REFUSED"]).toContain(code);
      expect(await until(listening)).toBe(true);
      expect(await refusedAtTls(grant)).toBe(true);
    },
  );
});

async function enrollBy(token: string): Promise<[number, string | undefined]> {
  const client = new Client(work.gateway.publicUrl, { connect: { ca } });
  try {
    const answer = await client.request({
      method: "POST",
      path: "/enroll",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, csr: newRequest().csr }),
    });
    const read = (await answer.body.json()) as { errors?: { extensions: { code: string } }[] };
    return [answer.statusCode, read.errors?.[0]?.extensions.code];
  } finally {
    await client.destroy();
  }
}

describe("a database that is behind what was published", () => {
  test("serves no peer, and its gateway does not start, until an administrator has put back what is missing", async () => {
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    const file = join(work.directory, "revocations.json");
    expect(await until(() => Promise.resolve(readFileSync(file, "utf8").includes(grant.enrolled.serial)))).toBe(true);
    const other = await enrollGrant(work, home, "carol", "bob-at-home", SCOPE);
    expect((await directly(other)).status).toBe(200);
    // As a backup from before the revocation would have it.
    await work.pool.query(`begin; set local session_replication_role = replica;
      alter table federation.federation_certificates disable trigger all;
      update federation.federation_certificates
      set revoked_at = null, revocation_reason = null, revocation_epoch = null where serial = '${grant.enrolled.serial}';
      update federation.federation_grants set status = 'active', ended_at = null, end_reason = null where id = '${grant.grantId}';
      alter table federation.federation_certificates enable trigger all;
      alter table federation.federation_certificates enable always trigger _100_lifecycle;
      alter table federation.federation_certificates enable always trigger _110_lifecycle_truncate;
      commit`);
    await expect(work.gateway.refreshCrl()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const refused = await directly(other);
    expect([refused.status, refused.code]).toEqual([503, "UNAVAILABLE"]);
    expect(await auditRows(work, other.grantId)).toContainEqual(
      expect.objectContaining({ outcome: "failed", code: "UNAVAILABLE" }),
    );
    const { token } = await createGrant(work, "carol", SCOPE);
    expect(await enrollBy(token)).toEqual([503, "UNAVAILABLE"]);
    expect(await auditRows(work)).toContainEqual(
      expect.objectContaining({ verb: "enroll", outcome: "failed", code: "UNAVAILABLE" }),
    );
    const peer = grantByHand(work, other);
    expect((await peer.at(peer.first, "/renew", { csr: newRequest().csr })).code).toBe("UNAVAILABLE");
    // The one that was revoked stays out.
    expect((await directly(grant)).code).toBe("TLS_REFUSED");
    await expect(work.restart()).rejects.toMatchObject({ code: "REVOCATIONS_LOST" });

    const looked = await runMosaic(["federation", "reconcile", "--dry-run", "--json", "--dir", work.directory]);
    expect(JSON.parse(looked.stdout)).toMatchObject({ revoked: [{ serial: grant.enrolled.serial }], changed: false });
    const done = await runMosaic(["federation", "reconcile", "--json", "--dir", work.directory]);
    expect(done.code).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({ restored: { certificates: 1, grants: 1 }, changed: true });
    await work.restart();
    expect((await directly(other)).status).toBe(200);
    expect((await directly(grant)).code).toBe("TLS_REFUSED");
    expect(await enrollBy(token)).toEqual([410, "TOKEN_SPENT"]);
    const { rows } = await work.pool.query<{ code: string }>("select code from federation.list_alerts()");
    expect(rows.map(({ code }) => code)).not.toContain("REVOCATIONS_LOST");
    expect((await runMosaic(["federation", "reconcile", "--dir", work.directory])).stdout).toContain(
      "Nothing is to be done",
    );
  });

  test("and a record of it that is damaged is said, not ignored", async () => {
    const file = join(work.directory, "revocations.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.slice(0, 20));
    await expect(work.restart()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    writeFileSync(file, text);
    await work.restart();
    expect((await directly(grant)).status).toBe(200);
  });
});
