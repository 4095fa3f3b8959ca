import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { addPeer, credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { readCrl } from "../../src/pki/crl.ts";
import { derToPem, fingerprintOf, pemBlocks, pemToDer, readX509 } from "../../src/pki/der.ts";
import { auditRows, createGrant, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { makeDue, peerRecord, renewalsOf } from "../harness/renewal.ts";
import { codeOfQuery, endOlderCertificates, nameOf, pass, servedBy, streamOf } from "../harness/rotation.ts";
import type { Stream } from "../harness/rotation.ts";
import { hasOpenssl, openssl } from "../unit/pki/openssl.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const USER = "alice-at-home";
/** The machine may be busy with much else. */
const SOON = { timeout: 20_000 };
const template = inject("template");
const isStepCa = template.kind === "postgres" && template.services !== undefined;

let work: TestGateway;
let home: TestGateway;
beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, {
      limits: { requestsPerMinute: 100_000, peerTimeoutMs: 20_000 },
      cache: { bytes: 0 },
      circuit: { failures: 1_000 },
    }),
  ]);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

interface Status {
  fingerprint: string;
  state: string;
  liveCertificates: number;
  lastEnds: string | null;
}
async function ca(command: "rotate" | "status"): Promise<{ code: number | null; said: unknown }> {
  const { code, stdout, stderr } = await runMosaic(["ca", command, "--json", "--dir", work.directory]);
  return { code, said: JSON.parse(code === 0 ? stdout : stderr) as unknown };
}
const statusOf = async (): Promise<Status[]> => (await ca("status")).said as Status[];

/** The roots that the public listener shows, the one that signs first. */
async function shownRoots(pinnedPem: string): Promise<string[]> {
  return pemBlocks(await getText("/root.pem", pinnedPem), "CERTIFICATE");
}
async function getText(path: string, pinnedPem: string): Promise<string> {
  const client = new Client(work.gateway.publicUrl, { connect: { ca: pinnedPem } });
  try {
    return await (await client.request({ method: "GET", path })).body.text();
  } finally {
    await client.destroy();
  }
}
async function retire(): Promise<string[]> {
  const { rows } = await work.pool.query<{ fingerprint: string }>(
    "select fingerprint from federation.retire_authorities() as r (fingerprint)",
  );
  return rows.map(({ fingerprint }) => fingerprint);
}
const directly = (rootPem: string, { enrolled }: TestGrant): Promise<{ status: number | undefined; code: string }> =>
  mtlsRequest({
    url: work.gateway.federationUrl,
    ca: rootPem,
    ...credentialsOf(enrolled),
    body: { documentId: "capabilities", variables: {} },
  });

describe.runIf(isStepCa)("a root of step-ca's", () => {
  test("is not rotated here: CONFIG_INVALID, and nothing changes", async () => {
    const before = await statusOf();
    expect(before).toMatchObject([{ kind: "step-ca", state: "signs" }]);
    expect(await ca("rotate")).toMatchObject({ code: 78, said: { error: { code: "CONFIG_INVALID" } } });
    expect(await statusOf()).toEqual(before);
  });
});

describe.skipIf(isStepCa)("two rotations of the root, one after the other", () => {
  let alice: TestGrant;
  let idle: TestGrant;
  let revoked: TestGrant;
  let since: TestGrant;
  let waiting: { grantId: string; url: string };
  let [first, second] = ["", ""];
  let stream: Stream;
  const der = (pem: string): Buffer => pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID");
  const idOf = (pem: string): string => fingerprintOf(der(pem));
  /** What a local user's gateway has of the peer: the roots that it trusts, and who signed our certificate. */
  const peerOf = async (user: string): Promise<{ roots: string[]; issuers: string[] }> => {
    const { rows } = await home.pool.query<{ roots: Buffer[]; chain: Buffer[] }>(
      `select array[root_certificate_der] || trusted_roots_der as roots, certificate_chain_der as chain
       from federation.federation_peers where owner_user_id = $1`,
      [user],
    );
    return {
      roots: rows[0]?.roots.map(fingerprintOf) ?? [],
      issuers: rows[0]?.chain.map((each) => readX509(each, "CERTIFICATE_INVALID").issuer) ?? [],
    };
  };
  const renew = async (user: string): Promise<unknown> => {
    await makeDue(home, user);
    return renewalsOf(home).renew((await peerRecord(home, user)).id);
  };

  beforeAll(async () => {
    await home.pool.query(
      "insert into app.users (id, name, email) select u, u, u || '@home.example' from unnest(array['ida', 'rea', 'urs', 'nia']) as u",
    );
    alice = await enrollGrant(work, home, "alice", USER, SCOPE);
    idle = await enrollGrant(work, home, "bob", "ida", SCOPE);
    revoked = await enrollGrant(work, home, "bob", "rea", SCOPE);
    first = derToPem(alice.enrolled.rootDer, "CERTIFICATE");
    // A peer that asks all the time, from before the first rotation until after the second.
    stream = await streamOf(home, USER);
  });
  afterAll(() => stream.end());

  test("a new root is trusted at once, and does not sign yet", async () => {
    expect(await statusOf()).toMatchObject([{ fingerprint: idOf(first), state: "signs", liveCertificates: 3 }]);
    const { code, said } = await ca("rotate");
    expect({ code, said }).toEqual({
      code: 0,
      said: { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown, predecessor: idOf(first) },
    });
    await expect.poll(() => shownRoots(first), SOON).toHaveLength(2);
    second = (await shownRoots(first)).find((pem) => idOf(pem) !== idOf(first)) ?? "";
    expect((said as { fingerprint: string }).fingerprint).toBe(idOf(second));
    expect(await statusOf()).toMatchObject([
      { fingerprint: idOf(second), state: "trusted", liveCertificates: 0, lastEnds: null },
      { fingerprint: idOf(first), state: "signs", liveCertificates: 3, lastEnds: expect.any(String) as unknown },
    ]);
    expect(await servedBy(work, first)).toEqual([nameOf(first), nameOf(first)]);
    waiting = await createGrant(work, "bob", SCOPE);
    expect(waiting.url).toContain(idOf(first));
  });

  test("its key is stored sealed, and is nowhere else", async () => {
    const { rows } = await work.pool.query<{ sealed_key: Buffer; certificate_der: Buffer }>(
      "select sealed_key, certificate_der from federation.list_authorities()",
    );
    expect(rows).toHaveLength(2);
    for (const { sealed_key, certificate_der } of rows) {
      // The OID of P-256, which every PKCS#8 of such a key has in clear (RFC 5480 §2.1.1.1).
      const curve = Buffer.from("06082a8648ce3d030107", "hex");
      expect(certificate_der.includes(curve)).toBe(true);
      expect(sealed_key.includes(curve)).toBe(false);
    }
    expect(work.log()).not.toContain("PRIVATE KEY");
  });

  test("another rotation is refused until that one is over", async () => {
    expect(await ca("rotate")).toMatchObject({ code: 65, said: { error: { code: "CONFLICT" } } });
    expect(await statusOf()).toHaveLength(2);
  });

  test("after a minute it signs: both listeners show its certificate, to who knows the older root alone, too", async () => {
    await pass(work, "2 minutes");
    await expect.poll(() => servedBy(work, first), SOON).toEqual([nameOf(second), nameOf(second)]);
    expect(await servedBy(work, second)).toEqual([nameOf(second), nameOf(second)]);
    expect((await statusOf()).map(({ state }) => state)).toEqual(["signs", "trusted"]);
    expect(await directly(first, alice)).toMatchObject({ code: "OK" });
    expect(await codeOfQuery(home, "ida")).toBe("OK");
  });

  test("an enrollment URL from before leads to a certificate of the newer root", async () => {
    await addPeer(home.directory, "urs", waiting.url);
    expect(await peerOf("urs")).toEqual({ roots: [idOf(first)], issuers: [nameOf(second), nameOf(first)] });
    expect(await codeOfQuery(home, "urs")).toBe("OK");
  });

  test("an enrollment from later on pins the newer root", async () => {
    await pass(work, "1 hour");
    since = await enrollGrant(work, home, "bob", "nia", SCOPE);
    expect(fingerprintOf(since.enrolled.rootDer)).toBe(idOf(second));
    expect((await peerOf("nia")).roots).toEqual([idOf(second)]);
    expect(await codeOfQuery(home, "nia")).toBe("OK");
    expect(await statusOf()).toMatchObject([
      { fingerprint: idOf(second), liveCertificates: 1 },
      // What the URL from before has brought counts as the older root's.
      { fingerprint: idOf(first), liveCertificates: 4 },
    ]);
  });

  test("a peer that pinned the older root may enroll again by a URL that pins the newer; by one of a stranger's root it may not", async () => {
    expect((await peerOf("ida")).roots).toEqual([idOf(first)]);
    const again = await createGrant(work, "bob", SCOPE);
    expect(again.url).toContain(idOf(second));
    await addPeer(home.directory, "ida", again.url);
    expect(await peerOf("ida")).toEqual({ roots: [idOf(second)], issuers: [nameOf(second), nameOf(first)] });
    expect(await codeOfQuery(home, "ida")).toBe("OK");
    const stranger = await openTestGateway("work.localhost", WORK);
    try {
      const { url } = await createGrant(stranger, "bob", SCOPE);
      await expect(addPeer(home.directory, "ida", url)).rejects.toMatchObject({ code: "CONFLICT" });
      expect((await peerOf("ida")).roots).toEqual([idOf(second)]);
      await expect(addPeer(home.directory, USER, url)).rejects.toMatchObject({ code: "TOKEN_SPENT" });
    } finally {
      await stranger.stop();
    }
  });

  test("a renewal brings a certificate of the newer root, which is trusted beside the pinned one from then on", async () => {
    expect((await peerOf(USER)).issuers).toEqual([nameOf(first)]);
    expect(await renew(USER)).toMatchObject({ status: "renewed" });
    expect(await peerOf(USER)).toEqual({
      roots: [idOf(first), idOf(second)],
      issuers: [nameOf(second), nameOf(first)],
    });
    await work.pool.query("select federation.supersede_certificates('0 seconds')");
    await expect.poll(async () => (await directly(first, alice)).code, SOON).toBe("TLS_REFUSED");
    expect(await codeOfQuery(home, USER)).toBe("OK");
  });

  test("each root has a list that its key signed and OpenSSL takes, and what is revoked of either is in both", async () => {
    const serials = [revoked, since].map(({ enrolled }) => enrolled.serial);
    await work.pool.query("select federation.revoke_certificate(s) from unnest($1::text[]) as s", [serials]);
    const listed = async (): Promise<boolean[][]> =>
      pemBlocks(await getText("/crl.pem", first), "X509 CRL").map((pem, index) => {
        const list = Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
        const { revokedSerials } = readCrl(list, der(index === 0 ? second : first));
        return [...serials, alice.enrolled.serial, idle.enrolled.serial].map((serial) => revokedSerials.has(serial));
      });
    await expect.poll(listed, SOON).toEqual([
      [true, true, true, false],
      [true, true, true, false],
    ]);
    if (hasOpenssl()) {
      const files = {
        "roots.pem": first + second,
        "crl.pem": await getText("/crl.pem", first),
        "live.pem": credentialsOf(idle.enrolled).certificate,
        "revoked.pem": credentialsOf(revoked.enrolled).certificate,
      };
      const check = (file: string): number =>
        openssl(["verify", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "roots.pem", file], files).status;
      expect(check("live.pem")).toBe(0);
      expect(check("revoked.pem")).not.toBe(0);
    }
  });

  test("a caller learns from the older root's list that its certificate of that root was revoked", async () => {
    expect(await peerOf("rea")).toEqual({ roots: [idOf(first)], issuers: [nameOf(first)] });
    await expect.poll(async () => (await directly(first, revoked)).code, SOON).toBe("TLS_REFUSED");
    expect(await codeOfQuery(home, "rea")).toBe("CERTIFICATE_REVOKED");
    expect((await peerRecord(home, "rea")).state).toBe("revoked");
  });

  test("a gateway that was down meanwhile trusts both, and signs by the newer", async () => {
    const { asked, failed } = await stream.end();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(50);
    await work.restart();
    expect((await shownRoots(first)).map(idOf)).toEqual([idOf(second), idOf(first)]);
    expect(await servedBy(work, first)).toEqual([nameOf(second), nameOf(second)]);
    stream = await streamOf(home, USER);
  });

  test("the doctor finds nothing wrong with it", async () => {
    const { stdout } = await runMosaic(["doctor", "--local", "--json", "--dir", work.directory]);
    const { findings } = JSON.parse(stdout) as { findings: { name: string; status: string }[] };
    expect(findings.find(({ name }) => name === "certificate authority")).toMatchObject({ status: "green" });
  });

  test("step-ca is not prepared below one of two roots, and is below one alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mosaic-step-ca-"));
    writeFileSync(join(folder, "password"), "a password of the test\n");
    const prepare = (below: TestGateway): ReturnType<typeof runMosaic> =>
      // prettier-ignore
      runMosaic([
        "step-ca", "prepare", "--out", join(folder, "out"), "--password-file", join(folder, "password"),
        "--crl-url", "https://127.0.0.1/crl", "--below", below.directory, "--json",
      ]);
    const refused = await prepare(work);
    expect([refused.code, JSON.parse(refused.stderr)]).toMatchObject([65, { error: { code: "CONFLICT" } }]);
    expect(readdirSync(join(folder, "out"))).toEqual([]);
    expect((await prepare(home)).code).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test("the older root stays while a certificate of it is good", async () => {
    expect(await retire()).toEqual([]);
    expect(await directly(second, idle)).toMatchObject({ code: "OK" });
  });

  test("once it has retired, a certificate of it is refused at the handshake, which the audit log has", async () => {
    await endOlderCertificates(work);
    expect(await retire()).toEqual([idOf(first)]);
    await expect.poll(async () => (await shownRoots(second)).map(idOf), SOON).toEqual([idOf(second)]);
    const refused = async (): Promise<number> =>
      (await auditRows(work)).filter(({ verb, code }) => verb === "handshake" && code === "TLS_REFUSED").length;
    const before = await refused();
    // By its own dates it is good for weeks.
    expect(readX509(idle.enrolled.chainDer[0] ?? "", "CERTIFICATE_INVALID").validTo).not.toBe("");
    expect(await directly(second, idle)).toMatchObject({ code: "TLS_REFUSED" });
    expect(await refused()).toBeGreaterThan(before);
    expect((await statusOf()).map(({ state }) => state)).toEqual(["signs", "retired"]);
    expect(pemBlocks(await getText("/crl.pem", second), "X509 CRL")).toHaveLength(1);
    expect(await codeOfQuery(home, USER)).toBe("OK");
    // A peer that pinned the older root and has not renewed yet is still led from there.
    expect(await servedBy(work, first)).toEqual([nameOf(second), nameOf(second)]);
  });

  test("a renewal after that lets go of the older root", async () => {
    expect((await peerOf(USER)).roots).toContain(idOf(first));
    expect(await renew(USER)).toMatchObject({ status: "renewed" });
    expect((await peerOf(USER)).roots).toEqual([idOf(second)]);
    expect(await codeOfQuery(home, USER)).toBe("OK");
  });

  test("the next rotation may begin, and none of all the requests has failed", async () => {
    expect(await ca("rotate")).toMatchObject({ code: 0, said: { predecessor: idOf(second) } });
    await expect.poll(() => shownRoots(second), SOON).toHaveLength(2);
    await pass(work, "2 minutes");
    await expect.poll(async () => new Set(await servedBy(work, second)).has(nameOf(second)), SOON).toBe(false);
    expect(await codeOfQuery(home, USER)).toBe("OK");
    expect(await renew(USER)).toMatchObject({ status: "renewed" });
    expect((await peerOf(USER)).roots).toHaveLength(2);
    const { asked, failed } = await stream.end();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(50);
  });

  test("a root whose key was stolen is trusted no more at once, and its peers enroll again", async () => {
    const retireNow = (fingerprint: string): ReturnType<typeof runMosaic> =>
      runMosaic(["ca", "retire", fingerprint, "--json", "--dir", work.directory]);
    expect((await retireNow("0".repeat(64))).code).toBe(66);
    const [third = ""] = (await statusOf()).map(({ fingerprint }) => fingerprint);
    expect((await retireNow(third)).code).toBe(65);
    expect(await codeOfQuery(home, "ida")).toBe("OK");
    expect((await peerOf("ida")).issuers[0]).toBe(nameOf(second));
    const { code, stdout } = await retireNow(idOf(second));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      fingerprint: idOf(second),
      refusedCertificates: expect.any(Number) as unknown,
    });
    // The connection that was open has ended as well.
    await expect.poll(() => codeOfQuery(home, "ida"), SOON).toBe("PEER_UNREACHABLE");
    expect(await codeOfQuery(home, USER)).toBe("OK");
    const { url } = await createGrant(work, "bob", SCOPE);
    await addPeer(home.directory, "ida", url);
    expect((await peerOf("ida")).roots).toEqual([third]);
    expect(await codeOfQuery(home, "ida")).toBe("OK");
  });
});
