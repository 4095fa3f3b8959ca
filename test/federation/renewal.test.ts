import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { confirmCertificate, requestRenewal, tryCertificate } from "../../src/client/renew.ts";
import type { Credentials as PeerCredentials } from "../../src/client/renew.ts";
import { credentialsOf, mixedCredentials } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem, pemToDer } from "../../src/pki/der.ts";
import { createEmbeddedAuthority } from "../../src/pki/embedded-authority.ts";
import { readPeerIdentity } from "../../src/pki/identity.ts";
import { fingerprintOf } from "../../src/pki/verify.ts";
import { seal } from "../../src/seal/seal.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { makeDue, newRequest, peerRecord, post, renewalsOf, renewByWrongClock } from "../harness/renewal.ts";
import type { PostAnswer } from "../harness/renewal.ts";
import { openSigner } from "../harness/signer.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const ARC = "1.3.6.1.4.1.32473.1";
const USER = "alice-at-home";
const ALERT = `work.localhost of ${USER}`;
const SUPERSEDED = ["CERTIFICATE_REVOKED", "TLS_REFUSED"];

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
let ca: string;
let first: Credentials;

beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, { cache: { bytes: 0 } }),
  ]);
});
beforeEach(async () => {
  grant = await enrollGrant(work, home, "alice", USER, SCOPE);
  ca = derToPem(grant.enrolled.rootDer, "CERTIFICATE");
  first = credentialsOf(grant.enrolled);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

const at = (credentials: Credentials, path: string, body?: unknown): Promise<PostAnswer> =>
  post(work.gateway.federationUrl, ca, credentials, path, body);
const list = { documentId: "list", variables: { resource: "tasks", first: 1 } };
const says = async (credentials: Credentials): Promise<string> => (await at(credentials, "/federation", list)).code;

/** Renews by hand: the certificate that the answer holds, with its key. */
async function renewed(by: Credentials): Promise<Credentials & { serial: string }> {
  const { csr, key } = newRequest();
  const { status, body } = await at(by, "/renew", { csr });
  expect(status).toBe(201);
  const { certificate, chain } = body as { certificate: string; chain: string[] };
  const { serial } = readPeerIdentity(pemToDer(certificate, "CERTIFICATE", "CERTIFICATE_INVALID"), ARC);
  return { certificate: [certificate, ...chain].join(""), key, serial };
}

interface Recorded {
  serial: string;
  renewed_from: string | null;
  confirmed: boolean;
  revocation_reason: string | null;
}

/** The certificates of the grant, oldest first. */
async function recorded(): Promise<Recorded[]> {
  const { rows } = await work.pool.query<Recorded>(
    `select serial, renewed_from, confirmed_at is not null as confirmed, revocation_reason
     from federation.federation_certificates where grant_id = $1 order by issued_at, serial`,
    [grant.grantId],
  );
  return rows;
}
const supersede = (grace: string): Promise<unknown> =>
  work.pool.query("select federation.supersede_certificates($1)", [grace]);
const verdicts = async (): Promise<string[]> =>
  (await auditRows(work, grant.grantId))
    .filter(({ verb }) => verb === "renew" || verb === "renew.confirm")
    .map(({ verb, outcome, code }) => `${verb} ${outcome} ${code}`);
const openAlerts = async (gateway: TestGateway): Promise<{ code: string; subject: string; severity: string }[]> =>
  (
    await gateway.pool.query<{ code: string; subject: string; severity: string }>(
      "select code, subject, severity from federation.list_alerts() where code in ('RENEWAL_FAILED', 'CERTIFICATE_EXPIRED')",
    )
  ).rows;
async function blended(): Promise<{ rows: number; code: string | undefined }> {
  const answer = await homeQuery(
    home,
    USER,
    '{ list(resource: "tasks", source: "federated:work.localhost") { rows } }',
  );
  const { list: page } = (answer.data ?? {}) as { list?: { rows: unknown[] } | null };
  return { rows: page?.rows.length ?? 0, code: answer.errors?.[0]?.extensions.code };
}

describe("the serving side", () => {
  test("signs a new key for who the connection's certificate speaks for, recorded as its successor, and audits it", async () => {
    const { csr } = newRequest();
    const { status, body } = await at(first, "/renew", { csr });
    expect(status).toBe(201);
    expect(body).toEqual({
      certificate: expect.any(String) as unknown,
      chain: expect.any(Array) as unknown,
      roots: [ca],
      oidArc: ARC,
    });
    const der = pemToDer(String(body["certificate"]), "CERTIFICATE", "CERTIFICATE_INVALID");
    expect(readPeerIdentity(der, ARC)).toMatchObject({
      grantId: grant.grantId,
      subjectUserId: "alice",
      host: "work.localhost",
    });
    expect(await recorded()).toEqual([
      { serial: grant.enrolled.serial, renewed_from: null, confirmed: false, revocation_reason: null },
      {
        serial: readPeerIdentity(der, ARC).serial,
        renewed_from: grant.enrolled.serial,
        confirmed: false,
        revocation_reason: null,
      },
    ]);
    expect(await verdicts()).toEqual(["renew served OK"]);
  });

  test("takes both certificates until the new one was confirmed and an hour has passed, then the new one alone", async () => {
    const next = await renewed(first);
    expect([await says(first), await says(next)]).toEqual(["OK", "OK"]);
    await supersede("0 seconds");
    expect(await says(first)).toBe("OK");
    expect((await at(next, "/renew/confirm")).body).toEqual({ confirmed: next.serial });
    expect((await at(next, "/renew/confirm")).status).toBe(200);
    await supersede("1 hour");
    expect(await says(first)).toBe("OK");
    await supersede("0 seconds");
    expect(SUPERSEDED).toContain(await says(first));
    expect(await says(next)).toBe("OK");
    expect(await recorded()).toMatchObject([
      { serial: grant.enrolled.serial, revocation_reason: "superseded" },
      { serial: next.serial, confirmed: true, revocation_reason: null },
    ]);
    expect(await verdicts()).toEqual(["renew.confirm served OK", "renew.confirm served OK", "renew served OK"]);
  });

  test("supersedes what an answer that was lost had brought, so that retries do not pile up", async () => {
    const lost = await renewed(first);
    const next = await renewed(first);
    expect(
      (await recorded()).filter(({ revocation_reason }) => revocation_reason === null).map(({ serial }) => serial),
    ).toEqual(expect.arrayContaining([grant.enrolled.serial, next.serial]));
    expect(await recorded()).toHaveLength(3);
    expect(SUPERSEDED).toContain(await says(lost));
    expect(await says(next)).toBe("OK");
  });

  test("renews no certificate that nobody confirmed, nor one whose successor was confirmed", async () => {
    const next = await renewed(first);
    expect(await at(next, "/renew", { csr: newRequest().csr })).toMatchObject({ status: 409, code: "CONFLICT" });
    await at(next, "/renew/confirm");
    expect(await at(first, "/renew", { csr: newRequest().csr })).toMatchObject({ status: 409, code: "CONFLICT" });
    expect((await at(next, "/renew", { csr: newRequest().csr })).status).toBe(201);
    expect(await verdicts()).toEqual([
      "renew served OK",
      "renew denied CONFLICT",
      "renew.confirm served OK",
      "renew denied CONFLICT",
      "renew served OK",
    ]);
  });

  test("refuses what is no request for a new key of the sender's, with a code and an audit row, and records nothing", async () => {
    const same = createCsr({ privateKeyPem: first.key, commonName: "mosaic peer" });
    const [one, other] = [newRequest().csr, newRequest().csr];
    // The key of one, under the signature of another.
    const half = Math.floor(one.length / 2);
    const foreign = one.slice(0, half) + other.slice(half);
    for (const [body, code] of [
      [{ csr: same }, "CSR_INVALID"],
      [{ csr: foreign }, "CSR_INVALID"],
      [{ csr: "no request" }, "CSR_INVALID"],
      [{ csr: 1 }, "BAD_REQUEST"],
      [{ csr: one, subject: "bob" }, "BAD_REQUEST"],
      ["no json", "BAD_REQUEST"],
    ] as const) {
      expect(await at(first, "/renew", body)).toMatchObject({ status: 400, code });
    }
    expect(await recorded()).toHaveLength(1);
    expect(await verdicts()).toEqual([
      ...Array.from({ length: 3 }, () => "renew denied BAD_REQUEST"),
      ...Array.from({ length: 3 }, () => "renew denied CSR_INVALID"),
    ]);
    expect((await at(first, "/renew", { csr: one })).status).toBe(201);
  });

  test.each([
    ["revoked", "select federation.revoke_grant($1)", "GRANT_REVOKED"],
    ["suspended", "select federation.suspend_grant($1)", "GRANT_SUSPENDED"],
    [
      "past its end",
      "update federation.federation_grants set expires_at = clock_timestamp() where id = $1",
      "GRANT_EXPIRED",
    ],
    [
      "of a certificate that was revoked",
      "update federation.federation_certificates set revoked_at = now(), revocation_reason = 'keyCompromise' where grant_id = $1",
      "CERTIFICATE_REVOKED",
    ],
  ])("neither renews nor confirms under a grant that is %s", async (_, statement, code) => {
    const next = await renewed(first);
    await work.pool.query(statement, [grant.grantId]);
    const answers = [await at(first, "/renew", { csr: newRequest().csr }), await at(next, "/renew/confirm")];
    for (const answer of answers) {
      expect([code, "TLS_REFUSED"]).toContain(answer.code);
      expect([403, undefined]).toContain(answer.status);
    }
    expect(await recorded()).toHaveLength(2);
    const rows = await verdicts();
    if (answers.every((answer) => answer.status === 403)) {
      expect(rows).toEqual([`renew.confirm denied ${code}`, `renew denied ${code}`, "renew served OK"]);
    }
  });

  test("refuses a certificate that was never recorded, or that joins the grant with another subject", async () => {
    const signer = await openSigner(work.directory);
    const unknown = await mixedCredentials(signer, grant.grantId, "alice");
    const mixed = await mixedCredentials(signer, grant.grantId, "bob");
    expect(await at(unknown, "/renew", { csr: newRequest().csr })).toMatchObject({
      status: 401,
      code: "CERTIFICATE_UNKNOWN",
    });
    expect(await at(mixed, "/renew", { csr: newRequest().csr })).toMatchObject({
      status: 403,
      code: "SUBJECT_MISMATCH",
    });
    expect(await verdicts()).toEqual(["renew denied SUBJECT_MISMATCH", "renew denied CERTIFICATE_UNKNOWN"]);
    expect(await says(first)).toBe("OK");
  });

  test("counts a renewal as a request: without a token there is none", async () => {
    await work.pool.query("select federation.set_grant_limits($1, 1, null)", [grant.grantId]);
    const answers = [];
    for (let count = 0; count < 3; count += 1) {
      answers.push((await at(first, "/renew", { csr: newRequest().csr })).code);
    }
    expect(answers).toContain("RATE_LIMITED");
    await work.pool.query("select federation.set_grant_limits($1, null, null)", [grant.grantId]);
  });

  test("lets a certificate of a grant that is audited strictly leave only after its audit row", async () => {
    await work.pool.query("select federation.set_grant_audit($1, 'strict')", [grant.grantId]);
    // Terms of a grant hold within a moment.
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (let count = 1; count <= 5; count += 1) {
      await at(first, "/renew", { csr: newRequest().csr });
      const { rows } = await work.pool.query<{ count: number }>(
        "select count(*)::int as count from federation.list_audit($1, 1000) where verb = 'renew'",
        [grant.grantId],
      );
      expect(rows).toEqual([{ count }]);
    }
  });

  test("revokes what a thief renewed with a stolen key together with the grant", async () => {
    const theirs = await renewed(first);
    await at(theirs, "/renew/confirm");
    const again = await renewed(theirs);
    expect(await says(again)).toBe("OK");
    await work.pool.query("select federation.revoke_grant($1, 'stolen')", [grant.grantId]);
    for (const one of [first, theirs, again]) {
      expect(["GRANT_REVOKED", "TLS_REFUSED"]).toContain(await says(one));
    }
    expect((await recorded()).map(({ revocation_reason }) => revocation_reason)).not.toContain(null);
  });
});

describe("the calling side", () => {
  const renewals = (): ReturnType<typeof renewalsOf> => renewalsOf(home);
  const peer = (): ReturnType<typeof peerRecord> => peerRecord(home, USER);
  const atWork = (): PeerCredentials => ({
    host: "work.localhost",
    federationUrl: work.gateway.federationUrl,
    rootsPem: [ca],
    chainPem: grant.enrolled.chainDer.map((der) => derToPem(der, "CERTIFICATE")),
    keyPem: first.key,
  });
  const through = (url: string): Promise<unknown> =>
    home.pool.query("update federation.federation_peers set federation_url = $1 where owner_user_id = $2", [url, USER]);

  test("renews what is due: a new certificate and key, confirmed, and rows go on coming by it", async () => {
    const { id } = await peer();
    expect(await renewals().due()).not.toContain(id);
    expect(await renewals().renew(id)).toEqual({ status: "left" });
    await makeDue(home, USER);
    expect(await renewals().due()).toContain(id);
    const outcome = await renewals().renew(id);
    expect(outcome).toMatchObject({ status: "renewed" });
    const after = await peer();
    expect(after).toMatchObject({ state: "active", renewal_failures: 0, renewal_failure_code: null });
    expect(after.certificate_serial).not.toBe(grant.enrolled.serial);
    expect(await recorded()).toMatchObject([
      { serial: grant.enrolled.serial, revocation_reason: null },
      { serial: after.certificate_serial, confirmed: true, revocation_reason: null },
    ]);
    await supersede("0 seconds");
    expect((await blended()).rows).toBeGreaterThan(0);
    expect(await renewals().due()).not.toContain(id);
  });

  test.each([-1, 1])("takes what is due from the database, by a clock that is %i day off, too", async (days) => {
    const { id } = await peer();
    const worker = (): Promise<{ now: string; due: string[] }> => renewByWrongClock(home, days * 86_400_000);
    const { now, due } = await worker();
    expect(Math.round((Date.parse(now) - Date.now()) / 86_400_000)).toBe(days);
    expect(due).not.toContain(id);
    await makeDue(home, USER);
    expect((await worker()).due).toContain(id);
    // Whatever came of that: by a clock that is right, the next attempt ends well.
    await makeDue(home, USER);
    expect(await renewals().renew(id, { now: true })).toMatchObject({ status: "renewed" });
    expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
    expect(await openAlerts(home)).toEqual([]);
  });

  test("renews once where two workers come at once", async () => {
    await makeDue(home, USER);
    const { id } = await peer();
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => renewals().renew(id)));
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["left", "left", "left", "renewed"]);
    expect(await recorded()).toHaveLength(2);
  });

  test("that was overtaken stores nothing", async () => {
    const before = await peer();
    const { rows } = await home.pool.query<{ attempt: string }>(
      "select federation.begin_peer_renewal($1, $2, null) as attempt",
      [before.id, before.certificate_serial],
    );
    const slow = await requestRenewal(atWork(), 5_000);
    await makeDue(home, USER);
    expect(await renewals().renew(before.id)).toMatchObject({ status: "renewed" });
    const { rows: stored } = await home.pool.query<{ stored: boolean }>(
      "select federation.replace_peer_certificate($1, $2, $3, '{}', $4, now(), '', '{}') as stored",
      [before.id, before.certificate_serial, rows[0]?.attempt, slow.serial],
    );
    expect(stored).toEqual([{ stored: false }]);
    expect((await peer()).certificate_serial).not.toBe(slow.serial);
    expect((await blended()).rows).toBeGreaterThan(0);
  });

  test("goes on where it was killed: after the certificate was issued, and after it was stored", async () => {
    const { id, certificate_serial } = await peer();
    const begin = async (): Promise<string> => {
      const { rows } = await home.pool.query<{ attempt: string }>(
        `select federation.begin_peer_renewal(id, certificate_serial, attempt) as attempt from federation.renewable_peers() where id = $1`,
        [id],
      );
      return rows[0]?.attempt ?? "";
    };
    await begin();
    await requestRenewal(atWork(), 5_000);
    expect(await renewals().renew(id)).toEqual({ status: "left" });
    expect((await blended()).rows).toBeGreaterThan(0);

    const attempt = await begin();
    const next = await requestRenewal(atWork(), 5_000);
    await home.pool.query("select federation.replace_peer_certificate($1, $2, $3, $4, $5, $6, $7, '{}')", [
      id,
      certificate_serial,
      attempt,
      next.chainPem.map((pem) => pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID")),
      next.serial,
      next.notAfter,
      seal(loadKeyring(gatewayPaths(home.directory).sealKeys), next.privateKeyDer, id),
    ]);
    expect((await recorded()).find(({ serial }) => serial === next.serial)?.confirmed).toBe(false);
    expect((await blended()).rows).toBeGreaterThan(0);
    await supersede("0 seconds");
    expect(await says(first)).toBe("OK");

    await home.pool.query(
      "update federation.federation_peers set renewal_failed_at = now() - interval '1 day' where id = $1",
      [id],
    );
    expect(await renewals().due()).toContain(id);
    expect(await renewals().renew(id)).toEqual({ status: "confirmed" });
    expect((await recorded()).find(({ serial }) => serial === next.serial)?.confirmed).toBe(true);
    expect(await peer()).toMatchObject({ certificate_serial: next.serial, renewal_failures: 0, state: "active" });
  });

  test("has a certificate that is good wherever an answer was cut, and the next attempt ends it", async () => {
    const proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
    try {
      await through(proxy.url);
      const { id } = await peer();
      const codes = new Set<string>();
      for (let bytes = 400; bytes <= 6_000; bytes += 400) {
        await proxy.set({ kind: "truncated", bytes });
        const outcome = await renewals().renew(id, { now: true });
        codes.add(outcome.status === "failed" ? outcome.code : outcome.status);
        await proxy.set({ kind: "none" });
        expect((await blended()).rows).toBeGreaterThan(0);
      }
      expect(codes).toContain("PEER_UNREACHABLE");
      const issued = (await recorded()).length - 1;
      expect(issued).toBeGreaterThan(1);
      expect(await renewals().renew(id, { now: true })).toMatchObject({ status: "renewed" });
      expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
      await supersede("0 seconds");
      const live = (await recorded()).filter(({ revocation_reason }) => revocation_reason === null);
      expect(live.map(({ serial }) => serial)).toEqual([(await peer()).certificate_serial]);
      expect(await openAlerts(home)).toEqual([]);
    } finally {
      await proxy.close();
    }
  });

  test("fails no request that it comes between: what was on its way with the old certificate is asked anew with the new", async () => {
    const proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
    try {
      await through(proxy.url);
      await proxy.set({ kind: "latency", ms: 400 });
      // Twice as many as there are connections: half of them are sent only when the old certificate is superseded.
      const asking = Array.from({ length: 16 }, async (_, index) => {
        const query = `{ list(resource: "tasks", first: ${index + 1}, source: "federated:work.localhost") { rows } }`;
        const answer = await homeQuery(home, USER, query);
        return (
          ((answer.data ?? {}) as { list?: { rows: unknown[] } }).list?.rows.length ??
          answer.errors?.[0]?.extensions.code
        );
      });
      await expect.poll(() => proxy.open, { timeout: 10_000 }).toBe(8);
      await through(work.gateway.federationUrl);
      expect(await renewals().renew((await peer()).id, { now: true })).toMatchObject({ status: "renewed" });
      await supersede("0 seconds");
      const rows = await Promise.all(asking);
      expect(rows.filter((count) => typeof count !== "number" || count === 0)).toEqual([]);
      expect((await peer()).state).toBe("active");
      expect((await auditRows(work, grant.grantId)).filter(({ verb }) => verb !== "renew").length).toBeGreaterThan(18);
    } finally {
      await proxy.close();
    }
  });

  test("marks a peer degraded where renewing fails, raises an alert, waits longer each time, and goes on with the old certificate", async () => {
    const { id } = await peer();
    // Somebody else has renewed with our key, and confirmed it: queries go on for now, renewals do not.
    const theirs = await requestRenewal(atWork(), 5_000);
    await confirmCertificate({ ...atWork(), chainPem: theirs.chainPem, keyPem: theirs.keyPem }, 5_000);
    await makeDue(home, USER);
    expect(await renewals().renew(id)).toMatchObject({ status: "failed", code: "CONFLICT" });
    expect(await peer()).toMatchObject({
      state: "degraded",
      renewal_failures: 1,
      renewal_failure_code: "CONFLICT",
      certificate_serial: grant.enrolled.serial,
    });
    expect(await openAlerts(home)).toEqual([{ code: "RENEWAL_FAILED", subject: ALERT, severity: "warning" }]);
    expect(await renewals().due()).not.toContain(id);

    expect((await blended()).rows).toBeGreaterThan(0);
    await home.pool.query("select federation.set_peer_state($1, $2, 'active')", [id, grant.enrolled.serial]);
    expect((await peer()).state).toBe("degraded");
    const shown = await homeQuery(home, USER, "{ allPeers { nodes { state renewalFailedAt renewalFailureCode } } }");
    expect(shown.data).toEqual({
      allPeers: {
        nodes: [{ state: "degraded", renewalFailedAt: expect.any(String) as unknown, renewalFailureCode: "CONFLICT" }],
      },
    });

    await makeDue(home, USER);
    expect(await renewals().renew(id)).toMatchObject({ status: "failed" });
    expect((await peer()).renewal_failures).toBe(2);
    expect(await openAlerts(home)).toHaveLength(1);
    // The way out.
    grant = await enrollGrant(work, home, "alice", USER, SCOPE);
    expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
    expect(await openAlerts(home)).toEqual([]);
  });

  test("is active again, and its alert over, once a renewal succeeds", async () => {
    const proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
    const { id } = await peer();
    await through(proxy.url);
    await makeDue(home, USER);
    await proxy.set({ kind: "refused" });
    expect(await renewals().renew(id)).toMatchObject({ status: "failed", code: "PEER_UNREACHABLE" });
    expect((await peer()).state).toBe("degraded");
    await proxy.set({ kind: "none" });
    await makeDue(home, USER);
    expect(await renewals().renew(id)).toMatchObject({ status: "renewed" });
    expect((await peer()).state).toBe("active");
    expect(await openAlerts(home)).toEqual([]);
    await proxy.close();
  });

  test("learns by it that the grant was revoked, and does not try again", async () => {
    const { id } = await peer();
    await work.pool.query("select federation.revoke_grant($1)", [grant.grantId]);
    await makeDue(home, USER);
    const outcome = await renewals().renew(id);
    expect(outcome).toMatchObject({ status: "failed" });
    if (outcome.status === "failed" && outcome.code === "GRANT_REVOKED") {
      expect(await peer()).toMatchObject({ state: "revoked", ended_because: "GRANT_REVOKED" });
      await makeDue(home, USER);
      expect(await renewals().due()).not.toContain(id);
    }
  });

  test("says of a certificate that has ended that a new enrollment is needed, to the user and to the administrator", async () => {
    const { id } = await peer();
    const signer = await openSigner(work.directory);
    const { csr, key } = newRequest();
    const authority = createEmbeddedAuthority({ ...signer, oidArc: ARC, crlUrl: "https://work.localhost/crl" });
    const short = await authority.issueClientCertificate({
      csrPem: csr,
      identity: { grantId: grant.grantId, subjectUserId: "alice", host: "work.localhost" },
      lifetimeSeconds: 3,
    });
    await work.pool.query(
      "insert into federation.federation_certificates (serial, grant_id, fingerprint, not_before, not_after) values ($1, $2, $3, $4, $5)",
      [short.serial, grant.grantId, fingerprintOf(short.certificateDer), short.notBefore, short.notAfter],
    );
    const keyDer = pemToDer(key, "PRIVATE KEY", "CERTIFICATE_INVALID");
    await home.pool.query(
      `update federation.federation_peers set certificate_chain_der = $2, certificate_serial = $3, certificate_not_after = $4, sealed_key = $5
       where id = $1`,
      [
        id,
        [short.certificateDer, ...signer.chainPem.map((pem) => pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID"))],
        short.serial,
        short.notAfter,
        seal(loadKeyring(gatewayPaths(home.directory).sealKeys), keyDer, id),
      ],
    );
    await tryCertificate({ ...atWork(), chainPem: [short.certificatePem, ...signer.chainPem], keyPem: key }, 5_000);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, short.notAfter.getTime() - Date.now()) + 1_500));

    expect((await blended()).code).toBe("CERTIFICATE_EXPIRED");
    expect(await renewals().renew(id)).toMatchObject({ status: "failed", code: "CERTIFICATE_EXPIRED" });
    expect(await openAlerts(home)).toEqual([{ code: "CERTIFICATE_EXPIRED", subject: ALERT, severity: "critical" }]);
    expect((await peer()).state).toBe("degraded");
  });
});
