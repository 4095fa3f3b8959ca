import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addPeer, mixedCredentials } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { pemToDer } from "../../src/pki/der.ts";
import { readPeerIdentity } from "../../src/pki/identity.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { ARC, grantByHand, newRequest, peerRecord, renewalsOf } from "../harness/renewal.ts";
import type { GrantByHand } from "../harness/renewal.ts";
import { openSigner } from "../harness/signer.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const USER = "alice-at-home";
const SUPERSEDED = ["CERTIFICATE_REVOKED", "TLS_REFUSED"];

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

describe("the serving side", () => {
  test("signs a new key for who the connection's certificate speaks for, recorded as its successor, and audits it", async () => {
    const { csr } = newRequest();
    const { status, body } = await by.at(by.first, "/renew", { csr });
    expect(status).toBe(201);
    expect(body).toEqual({
      certificate: expect.any(String) as unknown,
      chain: expect.any(Array) as unknown,
      roots: [by.ca],
      oidArc: ARC,
    });
    const der = pemToDer(String(body["certificate"]), "CERTIFICATE", "CERTIFICATE_INVALID");
    expect(readPeerIdentity(der, ARC)).toMatchObject({
      grantId: grant.grantId,
      subjectUserId: "alice",
      host: "work.localhost",
    });
    expect(await by.recorded()).toEqual([
      { serial: grant.enrolled.serial, renewed_from: null, confirmed: false, revocation_reason: null },
      {
        serial: readPeerIdentity(der, ARC).serial,
        renewed_from: grant.enrolled.serial,
        confirmed: false,
        revocation_reason: null,
      },
    ]);
    expect(await by.verdicts()).toEqual(["renew served OK"]);
  });

  test("takes both certificates until the new one was confirmed and an hour has passed, then the new one alone", async () => {
    const next = await by.renewed(by.first);
    expect([await by.says(by.first), await by.says(next)]).toEqual(["OK", "OK"]);
    await by.supersede("0 seconds");
    expect(await by.says(by.first)).toBe("OK");
    expect((await by.at(next, "/renew/confirm")).body).toEqual({ confirmed: next.serial });
    expect((await by.at(next, "/renew/confirm")).status).toBe(200);
    await by.supersede("1 hour");
    expect(await by.says(by.first)).toBe("OK");
    await by.supersede("0 seconds");
    expect(SUPERSEDED).toContain(await by.says(by.first));
    expect(await by.says(next)).toBe("OK");
    expect(await by.recorded()).toMatchObject([
      { serial: grant.enrolled.serial, revocation_reason: "superseded" },
      { serial: next.serial, confirmed: true, revocation_reason: null },
    ]);
    expect(await by.verdicts()).toEqual(["renew.confirm served OK", "renew.confirm served OK", "renew served OK"]);
  });

  test("refuses the old certificate an hour after the new one was confirmed, though no worker has revoked it, and audits that", async () => {
    const next = await by.renewed(by.first);
    expect((await by.at(next, "/renew/confirm")).status).toBe(200);
    await work.pool.query(
      "update federation.federation_certificates set confirmed_at = now() - interval '61 minutes' where serial = $1",
      [next.serial],
    );
    for (const [path, body] of [
      ["/federation", { documentId: "list", variables: { resource: "tasks", first: 1 } }],
      ["/renew", { csr: newRequest().csr }],
      ["/renew/confirm", undefined],
    ] as const) {
      expect(await by.at(by.first, path, body), path).toMatchObject({ status: 403, code: "CERTIFICATE_REVOKED" });
    }
    expect(await by.says(next)).toBe("OK");
    expect(await by.recorded()).toMatchObject([{ revocation_reason: null }, { revocation_reason: null }]);
    const denied = (await auditRows(work, grant.grantId)).filter(({ code }) => code === "CERTIFICATE_REVOKED");
    expect(denied.map(({ verb, outcome }) => `${verb} ${outcome}`).sort()).toEqual([
      "list denied",
      "renew denied",
      "renew.confirm denied",
    ]);
  });

  test("supersedes what an answer that was lost had brought, so that retries do not pile up", async () => {
    const lost = await by.renewed(by.first);
    const next = await by.renewed(by.first);
    expect(
      (await by.recorded()).filter(({ revocation_reason }) => revocation_reason === null).map(({ serial }) => serial),
    ).toEqual(expect.arrayContaining([grant.enrolled.serial, next.serial]));
    expect(await by.recorded()).toHaveLength(3);
    expect(SUPERSEDED).toContain(await by.says(lost));
    expect(await by.says(next)).toBe("OK");
  });

  test("renews no certificate that nobody confirmed, nor one whose successor was confirmed", async () => {
    const next = await by.renewed(by.first);
    expect(await by.at(next, "/renew", { csr: newRequest().csr })).toMatchObject({ status: 409, code: "CONFLICT" });
    await by.at(next, "/renew/confirm");
    expect(await by.at(by.first, "/renew", { csr: newRequest().csr })).toMatchObject({ status: 409, code: "CONFLICT" });
    expect((await by.at(next, "/renew", { csr: newRequest().csr })).status).toBe(201);
    expect(await by.verdicts()).toEqual([
      "renew served OK",
      "renew denied CONFLICT",
      "renew.confirm served OK",
      "renew denied CONFLICT",
      "renew served OK",
    ]);
  });

  test("raises an alert where two have renewed with one key, until the peer enrolls again or the grant ends", async () => {
    const alerts = async (): Promise<unknown[]> =>
      (
        await work.pool.query<object>(
          "select severity, subject, message from federation.list_alerts() where code = 'RENEWAL_CONFLICT' and subject = $1",
          [`grant ${grant.grantId}`],
        )
      ).rows;
    const fork = async (): Promise<void> => {
      const theirs = await by.renewed(by.first);
      expect(await by.at(theirs, "/renew", { csr: newRequest().csr })).toMatchObject({ code: "CONFLICT" });
      expect(await alerts()).toEqual([]);
      await by.at(theirs, "/renew/confirm");
      for (let count = 0; count < 2; count += 1) {
        expect(await by.at(by.first, "/renew", { csr: newRequest().csr })).toMatchObject({
          status: 409,
          code: "CONFLICT",
        });
      }
      expect(await alerts()).toEqual([
        {
          severity: "critical",
          subject: `grant ${grant.grantId}`,
          message: expect.stringContaining(grant.enrolled.serial) as unknown,
        },
      ]);
    };
    await fork();
    const { rows } = await work.pool.query<{ enrollment_url: string }>(
      "select enrollment_url from federation.create_enrollment_token($1)",
      [grant.grantId],
    );
    const enrolled = await addPeer(home.directory, USER, rows[0]?.enrollment_url ?? "");
    expect(await alerts()).toEqual([]);
    grant = { ...grant, enrolled };
    by = grantByHand(work, grant);
    await fork();
    const { stdout } = await runMosaic(["federation", "alerts", "list", "--dir", work.directory, "--json"]);
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ code: "RENEWAL_CONFLICT" }));
    await work.pool.query("select federation.revoke_grant($1)", [grant.grantId]);
    expect(await alerts()).toEqual([]);
  });

  test("refuses what is no request for a new key of the sender's, with a code and an audit row, and records nothing", async () => {
    const same = createCsr({ privateKeyPem: by.first.key, commonName: "mosaic peer" });
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
      expect(await by.at(by.first, "/renew", body)).toMatchObject({ status: 400, code });
    }
    expect(await by.recorded()).toHaveLength(1);
    expect(await by.verdicts()).toEqual([
      ...Array.from({ length: 3 }, () => "renew denied BAD_REQUEST"),
      ...Array.from({ length: 3 }, () => "renew denied CSR_INVALID"),
    ]);
    expect((await by.at(by.first, "/renew", { csr: one })).status).toBe(201);
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
    const next = await by.renewed(by.first);
    await work.pool.query(statement, [grant.grantId]);
    const answers = [await by.at(by.first, "/renew", { csr: newRequest().csr }), await by.at(next, "/renew/confirm")];
    for (const answer of answers) {
      expect([code, "TLS_REFUSED"]).toContain(answer.code);
      expect([403, undefined]).toContain(answer.status);
    }
    expect(await by.recorded()).toHaveLength(2);
    const rows = await by.verdicts();
    if (answers.every((answer) => answer.status === 403)) {
      expect(rows).toEqual([`renew.confirm denied ${code}`, `renew denied ${code}`, "renew served OK"]);
    }
  });

  test("refuses a certificate that was never recorded, or that joins the grant with another subject", async () => {
    const signer = await openSigner(work.directory);
    const unknown = await mixedCredentials(signer, grant.grantId, "alice");
    const mixed = await mixedCredentials(signer, grant.grantId, "bob");
    expect(await by.at(unknown, "/renew", { csr: newRequest().csr })).toMatchObject({
      status: 401,
      code: "CERTIFICATE_UNKNOWN",
    });
    expect(await by.at(mixed, "/renew", { csr: newRequest().csr })).toMatchObject({
      status: 403,
      code: "SUBJECT_MISMATCH",
    });
    expect(await by.verdicts()).toEqual(["renew denied SUBJECT_MISMATCH", "renew denied CERTIFICATE_UNKNOWN"]);
    expect(await by.says(by.first)).toBe("OK");
  });

  test("counts a renewal as a request: without a token there is none", async () => {
    await work.pool.query("select federation.set_grant_limits($1, 1, null)", [grant.grantId]);
    const answers = [];
    for (let count = 0; count < 3; count += 1) {
      answers.push((await by.at(by.first, "/renew", { csr: newRequest().csr })).code);
    }
    expect(answers).toContain("RATE_LIMITED");
    await work.pool.query("select federation.set_grant_limits($1, null, null)", [grant.grantId]);
  });

  test("gives a grant 24 certificates in a day at most: the next is 429 RENEWAL_LIMITED with Retry-After, audited, and verbs go on", async () => {
    for (let count = 0; count < 24; count += 1) {
      await by.renewed(by.first);
    }
    const answer = await by.at(by.first, "/renew", { csr: newRequest().csr });
    expect(answer).toMatchObject({ status: 429, code: "RENEWAL_LIMITED" });
    expect(answer.retryAfter).toBeGreaterThan(86_000);
    expect(await by.recorded()).toHaveLength(25);
    expect((await by.verdicts())[0]).toBe("renew denied RENEWAL_LIMITED");
    expect(await by.says(by.first)).toBe("OK");
    const { id } = await peerRecord(home, USER);
    expect(await renewalsOf(home).renew(id, { now: true })).toMatchObject({
      status: "failed",
      code: "RENEWAL_LIMITED",
    });
    expect(await peerRecord(home, USER)).toMatchObject({ state: "degraded", renewal_failure_code: "RENEWAL_LIMITED" });
  });

  test("lets a certificate of a grant that is audited strictly leave only after its audit row", async () => {
    await work.pool.query("select federation.set_grant_audit($1, 'strict')", [grant.grantId]);
    // Terms of a grant hold within a moment.
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (let count = 1; count <= 5; count += 1) {
      await by.at(by.first, "/renew", { csr: newRequest().csr });
      const { rows } = await work.pool.query<{ count: number }>(
        "select count(*)::int as count from federation.list_audit($1, 1000) where verb = 'renew'",
        [grant.grantId],
      );
      expect(rows).toEqual([{ count }]);
    }
  });

  test("revokes what a thief renewed with a stolen key together with the grant", async () => {
    const theirs = await by.renewed(by.first);
    await by.at(theirs, "/renew/confirm");
    const again = await by.renewed(theirs);
    expect(await by.says(again)).toBe("OK");
    await work.pool.query("select federation.revoke_grant($1, 'stolen')", [grant.grantId]);
    for (const one of [by.first, theirs, again]) {
      expect(["GRANT_REVOKED", "TLS_REFUSED"]).toContain(await by.says(one));
    }
    expect((await by.recorded()).map(({ revocation_reason }) => revocation_reason)).not.toContain(null);
  });
});
