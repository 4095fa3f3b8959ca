import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { enroll } from "../../src/client/enroll.ts";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem } from "../../src/pki/der.ts";
import { readPeerIdentity } from "../../src/pki/identity.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { unseal } from "../../src/seal/seal.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { rotateSeals } from "../../src/setup/rotate-seals.ts";
import { auditRows, createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"] };
const ARC = "1.3.6.1.4.1.32473.1";

let work: TestGateway;
let home: TestGateway;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

async function postEnroll(body: unknown): Promise<{ status: number; code: string | undefined }> {
  const { request, Agent } = await import("undici");
  const { rows } = await work.pool.query<{ der: Buffer }>(
    "select certificate_der as der from federation.list_authorities()",
  );
  const dispatcher = new Agent({ connect: { ca: derToPem(rows[0]?.der ?? Buffer.alloc(0), "CERTIFICATE") } });
  const response = await request(`${work.gateway.publicUrl}/enroll`, {
    method: "POST",
    dispatcher,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.body.json()) as { errors?: { extensions: { code: string } }[] };
  await dispatcher.close();
  return { status: response.statusCode, code: answer.errors?.[0]?.extensions.code };
}

const csr = (): string => createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "any name" });

describe("acceptance 1: create_grant", () => {
  test("writes a pending row with the scope", async () => {
    const { grantId } = await createGrant(work, "alice", SCOPE);
    const { rows } = await work.pool.query("select status, scope from federation.list_grants() where id = $1", [
      grantId,
    ]);
    expect(rows).toEqual([{ status: "pending", scope: SCOPE }]);
  });

  test("keeps of the token only its hash", async () => {
    const { token } = await createGrant(work, "alice", SCOPE);
    const { rows } = await work.pool.query(
      `select count(*)::int as hashed,
         (select count(*)::int from federation.federation_enrollment_tokens t where t::text like '%' || $1 || '%') as plain
       from federation.federation_enrollment_tokens where token_hash = sha256(convert_to($1, 'UTF8'))`,
      [token],
    );
    expect(rows).toEqual([{ hashed: 1, plain: 0 }]);
  });
});

describe("acceptance 2 and 4: enrollment", () => {
  test("signs the CSR and returns a certificate that speaks for the grant and its subject", async () => {
    const { grantId, url } = await createGrant(work, "alice", SCOPE);
    const enrolled = await enroll(parseEnrollmentUrl(url), 10_000);
    const certificate = enrolled.chainDer[0] ?? Buffer.alloc(0);
    expect(readPeerIdentity(certificate, ARC)).toMatchObject({
      grantId,
      subjectUserId: "alice",
      host: "work.localhost",
      commonName: grantId,
    });
    const { rows } = await work.pool.query(
      "select status, subject_user_id, certificate_serial from federation.list_grants() where id = $1",
      [grantId],
    );
    expect(rows).toEqual([{ status: "active", subject_user_id: "alice", certificate_serial: enrolled.serial }]);
  });

  test("names nobody that the CSR names", async () => {
    const { grantId, token } = await createGrant(work, "alice", SCOPE);
    const { privateKeyPem } = generateKeyPair();
    const answer = await postEnroll({ token, csr: createCsr({ privateKeyPem, commonName: "bob" }) });
    expect(answer.status).toBe(201);
    const { rows } = await work.pool.query("select subject_user_id from federation.list_grants() where id = $1", [
      grantId,
    ]);
    expect(rows).toEqual([{ subject_user_id: "alice" }]);
  });

  test("gives a certificate of 30 days", async () => {
    const { url } = await createGrant(work, "alice", SCOPE);
    const { chainDer } = await enroll(parseEnrollmentUrl(url), 10_000);
    const { validFrom, validTo } = new X509Certificate(chainDer[0] ?? Buffer.alloc(0));
    const days = (new Date(validTo).getTime() - new Date(validFrom).getTime()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30.1);
  });
});

describe("acceptance 3: a token", () => {
  test("is spent by its first use: the second is 410 TOKEN_SPENT, and both are in the audit log", async () => {
    const { token, grantId } = await createGrant(work, "alice", SCOPE);
    expect(await postEnroll({ token, csr: csr() })).toEqual({ status: 201, code: undefined });
    expect(await postEnroll({ token, csr: csr() })).toEqual({ status: 410, code: "TOKEN_SPENT" });
    const rows = await auditRows(work);
    expect(rows).toContainEqual({ verb: "enroll", outcome: "served", code: "OK", grant_id: grantId, resource: null });
    expect(rows).toContainEqual({
      verb: "enroll",
      outcome: "denied",
      code: "TOKEN_SPENT",
      grant_id: null,
      resource: null,
    });
  });

  test("is good again for the same key, whose certificate before is superseded: an answer that was lost ends no enrollment", async () => {
    const { url, token, grantId } = await createGrant(work, "alice", SCOPE);
    const keyPair = generateKeyPair();
    const [lost, second] = [
      await enroll(parseEnrollmentUrl(url), 10_000, keyPair),
      await enroll(parseEnrollmentUrl(url), 10_000, keyPair),
    ];
    expect(await postEnroll({ token, csr: csr() })).toEqual({ status: 410, code: "TOKEN_SPENT" });
    // Whoever has the token and knows the key's public half makes no token of both.
    const mark = createHash("sha256").update(keyPair.publicKeyDer).digest("base64url");
    expect(await postEnroll({ token: `${token}.${mark}`, csr: csr() })).toEqual({ status: 410, code: "TOKEN_SPENT" });
    const { rows } = await work.pool.query(
      "select serial, revocation_reason from federation.list_certificates($1) order by issued_at, revocation_reason nulls last",
      [grantId],
    );
    expect(rows).toEqual([
      { serial: lost.serial, revocation_reason: "superseded" },
      { serial: second.serial, revocation_reason: null },
    ]);
  });

  test("that has expired, or never was, is the same 410", async () => {
    const { token } = await createGrant(work, "alice", SCOPE);
    await work.pool.query(
      `update federation.federation_enrollment_tokens
       set created_at = now() - interval '20 minutes', expires_at = now() - interval '5 minutes'
       where token_hash = sha256(convert_to($1, 'UTF8'))`,
      [token],
    );
    expect(await postEnroll({ token, csr: csr() })).toEqual({ status: 410, code: "TOKEN_SPENT" });
    expect(await postEnroll({ token: "a".repeat(43), csr: csr() })).toEqual({ status: 410, code: "TOKEN_SPENT" });
  });

  test("lives for 15 minutes", async () => {
    const { token } = await createGrant(work, "alice", SCOPE);
    const { rows } = await work.pool.query(
      `select extract(epoch from expires_at - created_at)::int as seconds from federation.federation_enrollment_tokens
       where token_hash = sha256(convert_to($1, 'UTF8'))`,
      [token],
    );
    expect(rows).toEqual([{ seconds: 900 }]);
  });

  test("is not spent by a CSR that is refused", async () => {
    const { token } = await createGrant(work, "alice", SCOPE);
    expect(await postEnroll({ token, csr: "nonsense" })).toEqual({ status: 400, code: "CSR_INVALID" });
    expect(await postEnroll({ token, csr: csr() })).toEqual({ status: 201, code: undefined });
  });

  test("gives one certificate however many ask for it at once", async () => {
    const { token } = await createGrant(work, "alice", SCOPE);
    const answers = await Promise.all(Array.from({ length: 10 }, () => postEnroll({ token, csr: csr() })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 410)]);
  });

  test("is not sent to a server that shows another root than the URL names", async () => {
    const { url, grantId } = await createGrant(work, "alice", SCOPE);
    const other = url.replace(/sha256=../, (start) => (start.endsWith("00") ? "sha256=11" : "sha256=00"));
    await expect(enroll(parseEnrollmentUrl(other), 10_000)).rejects.toMatchObject({ code: "PEER_UNTRUSTED" });
    const { rows } = await work.pool.query("select status from federation.list_grants() where id = $1", [grantId]);
    expect(rows).toEqual([{ status: "pending" }]);
  });
});

describe("acceptance 5 and 6: peer add", () => {
  test("yields an active peer with a valid certificate and a key that is its own", async () => {
    const { grantId, enrolled } = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    const { rows } = await home.pool.query<{ id: string; sealed_key: Buffer; certificate: Buffer; state: string }>(
      `select id, sealed_key, certificate_chain_der[1] as certificate, state from federation.federation_peers
       where grant_id = $1`,
      [grantId],
    );
    const row = rows[0];
    expect(row?.state).toBe("active");
    const key = unseal(
      loadKeyring(gatewayPaths(home.directory).sealKeys),
      row?.sealed_key ?? Buffer.alloc(0),
      row?.id ?? "",
    );
    expect(key.equals(enrolled.privateKeyDer)).toBe(true);
    const certificate = new X509Certificate(row?.certificate ?? Buffer.alloc(0));
    const { createPrivateKey } = await import("node:crypto");
    expect(certificate.checkPrivateKey(createPrivateKey({ key, format: "der", type: "pkcs8" }))).toBe(true);
  });

  test("leaves no key in the clear in any row of either database", async () => {
    const { enrolled } = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    const secrets = [enrolled.privateKeyDer.toString("hex"), Buffer.from("PRIVATE KEY").toString("hex")];
    for (const { pool } of [work, home]) {
      const { rows: tables } = await pool.query<{ name: string }>(
        "select format('federation.%I', relname) as name from pg_class where relnamespace = 'federation'::regnamespace and relkind in ('r', 'p')",
      );
      for (const { name } of tables) {
        const { rows } = await pool.query<{ text: string }>(`select t::text as text from ${name} t`);
        const all = rows.map(({ text }) => text).join("\n");
        expect(all).not.toContain("PRIVATE KEY");
        for (const secret of secrets) {
          expect(all).not.toContain(secret);
        }
      }
    }
  });

  test("is refused for a user who does not exist, before the token is spent", async () => {
    const { url } = await createGrant(work, "alice", SCOPE);
    const { code, stderr } = await runMosaic([
      "federation",
      "peer",
      "add",
      url,
      "--user",
      "nobody",
      "--dir",
      home.directory,
    ]);
    expect(stderr).toContain("SUBJECT_UNKNOWN");
    expect(code).toBe(65);
    await addPeer(home.directory, "alice-at-home", url);
  });

  test("goes on working after the sealing key was rotated, without a restart", async () => {
    await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    const before = await home.pool.query<{ sealed_key: Buffer }>("select sealed_key from federation.federation_peers");
    const { version } = await rotateSeals(home.adminUrl, gatewayPaths(home.directory).sealKeys);
    const after = await home.pool.query<{ sealed_key: Buffer }>("select sealed_key from federation.federation_peers");
    expect(version).toBeGreaterThan(1);
    expect(after.rows[0]?.sealed_key.equals(before.rows[0]?.sealed_key ?? Buffer.alloc(0))).toBe(false);
    const answer = await homeQuery(
      home,
      "alice-at-home",
      '{ list(resource: "tasks", source: "federated:work.localhost") { rows } }',
    );
    expect(answer.errors).toBeUndefined();
    await home.restart();
    const again = await homeQuery(
      home,
      "alice-at-home",
      '{ list(resource: "tasks", source: "federated:work.localhost") { rows } }',
    );
    expect(again.errors).toBeUndefined();
  });
});

describe("acceptance 7: a scope with an unknown resource", () => {
  const unknown = { resources: ["tasks", "secrets"] };

  test("is refused in psql", async () => {
    await expect(createGrant(work, "alice", unknown)).rejects.toMatchObject({ code: "MF020" });
  });

  test("is refused by the command line", async () => {
    const before = await work.pool.query("select id from federation.list_grants()");
    const { code, stderr } = await runMosaic(
      [
        "federation",
        "grant",
        "create",
        "--user",
        "alice",
        "--peer",
        "home.localhost",
        "--scope",
        "-",
        "--dir",
        work.directory,
      ],
      JSON.stringify(unknown),
    );
    expect({ code, named: stderr.includes("SCOPE_INVALID") }).toEqual({ code: 65, named: true });
    const after = await work.pool.query("select id from federation.list_grants()");
    expect(after.rowCount).toBe(before.rowCount);
  });
});

describe("acceptance 8: grant list and peer list", () => {
  test("show pending, active and revoked as they are", async () => {
    const pending = await createGrant(work, "bob", SCOPE);
    const { grantId } = await enrollGrant(work, home, "bob", "bob-at-home", SCOPE);
    const grants = async (): Promise<Map<string, string>> => {
      const { stdout } = await runMosaic(["federation", "grant", "list", "--json", "--dir", work.directory]);
      return new Map((JSON.parse(stdout) as { id: string; status: string }[]).map(({ id, status }) => [id, status]));
    };
    const peerState = async (...more: string[]): Promise<string | undefined> => {
      const { stdout } = await runMosaic(["federation", "peer", "list", "--json", "--dir", home.directory, ...more]);
      const peers = JSON.parse(stdout) as { grant_id: string; state: string }[];
      return peers.find((peer) => peer.grant_id === grantId)?.state;
    };
    expect((await grants()).get(pending.grantId)).toBe("pending");
    expect((await grants()).get(grantId)).toBe("active");
    expect(await peerState("--check")).toBe("active");
    await runMosaic(["federation", "grant", "revoke", grantId, "--reason", "left", "--dir", work.directory]);
    expect((await grants()).get(grantId)).toBe("revoked");
    expect(await peerState("--check")).toBe("revoked");
    expect(await peerState()).toBe("revoked");
  });
});
