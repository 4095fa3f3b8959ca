import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { confirmCertificate, requestRenewal, tryCertificate } from "../../src/client/renew.ts";
import type { Credentials } from "../../src/client/renew.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem, fingerprintOf, pemToDer } from "../../src/pki/der.ts";
import { createEmbeddedAuthority } from "../../src/pki/embedded-authority.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { seal } from "../../src/seal/seal.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import {
  ARC,
  grantByHand,
  makeDue,
  newRequest,
  peerRecord,
  renewalsOf,
  renewByWrongClock,
  renewUntilKilled,
} from "../harness/renewal.ts";
import type { GrantByHand } from "../harness/renewal.ts";
import { openSigner } from "../harness/signer.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const USER = "alice-at-home";
const ALERT = `work.localhost of ${USER}`;

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
let by: GrantByHand;

beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, { cache: { bytes: 0 } }),
  ]);
});
beforeEach(async () => {
  grant = await enrollGrant(work, home, "alice", USER, SCOPE);
  by = grantByHand(work, grant);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

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

describe("the calling side", () => {
  const renewals = (): ReturnType<typeof renewalsOf> => renewalsOf(home);
  const peer = (): ReturnType<typeof peerRecord> => peerRecord(home, USER);
  const atWork = (): Credentials => ({
    host: "work.localhost",
    federationUrl: work.gateway.federationUrl,
    rootsPem: [by.ca],
    chainPem: grant.enrolled.chainDer.map((der) => derToPem(der, "CERTIFICATE")),
    keyPem: by.first.key,
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
    expect(await by.recorded()).toMatchObject([
      { serial: grant.enrolled.serial, revocation_reason: null },
      { serial: after.certificate_serial, confirmed: true, revocation_reason: null },
    ]);
    await by.supersede("0 seconds");
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
    expect(await by.recorded()).toHaveLength(2);
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
    expect((await by.recorded()).find(({ serial }) => serial === next.serial)?.confirmed).toBe(false);
    expect((await blended()).rows).toBeGreaterThan(0);
    await by.supersede("0 seconds");
    expect(await by.says(by.first)).toBe("OK");

    await home.pool.query(
      "update federation.federation_peers set renewal_failed_at = now() - interval '1 day' where id = $1",
      [id],
    );
    expect(await renewals().due()).toContain(id);
    expect(await renewals().renew(id)).toEqual({ status: "confirmed" });
    expect((await by.recorded()).find(({ serial }) => serial === next.serial)?.confirmed).toBe(true);
    expect(await peer()).toMatchObject({ certificate_serial: next.serial, renewal_failures: 0, state: "active" });
  });

  test.each(["begun", "issued", "stored", "confirmed"] as const)(
    "leaves a good certificate where its process is killed once it is %s, and the next attempt completes it",
    async (step) => {
      const { id, certificate_serial } = await peer();
      await makeDue(home, USER);
      await renewUntilKilled(home, async () => {
        const now = await peer();
        const certificates = await by.recorded();
        return {
          begun: now.renewal_failures > 0,
          issued: certificates.length > 1,
          stored: now.certificate_serial !== certificate_serial,
          confirmed: certificates.some(({ confirmed }) => confirmed),
        }[step];
      });
      await by.supersede("0 seconds");
      expect((await blended()).rows).toBeGreaterThan(0);
      await makeDue(home, USER);
      expect(await renewals().due()).toContain(id);
      expect(await renewals().renew(id)).toMatchObject({ status: "renewed" });
      expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
      await by.supersede("0 seconds");
      const live = (await by.recorded()).filter(({ revocation_reason }) => revocation_reason === null);
      expect(live.map(({ serial }) => serial)).toEqual([(await peer()).certificate_serial]);
      expect((await blended()).rows).toBeGreaterThan(0);
    },
  );

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
      const issued = (await by.recorded()).length - 1;
      expect(issued).toBeGreaterThan(1);
      expect(await renewals().renew(id, { now: true })).toMatchObject({ status: "renewed" });
      expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
      await by.supersede("0 seconds");
      const live = (await by.recorded()).filter(({ revocation_reason }) => revocation_reason === null);
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
      await by.supersede("0 seconds");
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

  test("is degraded, not revoked, where what was issued is superseded before it is tried, and goes on with what it has", async () => {
    const { id } = await peer();
    // As when somebody else renews with our key at this moment.
    await work.pool.query(`
      create function supersede_at_once() returns trigger language plpgsql as
        'begin new.revoked_at := now(); new.revocation_reason := ''superseded''; return new; end';
      create trigger _050_supersede before insert on federation.federation_certificates for each row execute function supersede_at_once()`);
    await makeDue(home, USER);
    const outcome = await renewals().renew(id);
    await work.pool.query("drop function supersede_at_once() cascade");
    expect(outcome).toMatchObject({ status: "failed", code: "CONFLICT" });
    expect(await peer()).toMatchObject({ state: "degraded", ended_because: null, renewal_failure_code: "CONFLICT" });
    expect(await openAlerts(home)).toEqual([{ code: "RENEWAL_FAILED", subject: ALERT, severity: "warning" }]);
    expect((await blended()).rows).toBeGreaterThan(0);
    await makeDue(home, USER);
    expect(await renewals().renew(id)).toMatchObject({ status: "renewed" });
    expect(await peer()).toMatchObject({ state: "active", renewal_failures: 0 });
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
