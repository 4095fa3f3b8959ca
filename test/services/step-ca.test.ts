import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { generateKeyPair as generateJwk, calculateJwkThumbprint, exportJWK } from "jose";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { FederationError } from "../../src/errors.ts";
import type { CertificateAuthority } from "../../src/pki/authority.ts";
import { buildCrl, readCrl } from "../../src/pki/crl.ts";
import { createCsr, readCsr } from "../../src/pki/csr.ts";
import { derToPem } from "../../src/pki/der.ts";
import { subjectNameOf } from "../../src/pki/certificate.ts";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { verifyIssued } from "../../src/pki/verify.ts";
import { createStepCaAuthority } from "../../src/step-ca/authority.ts";
import { createStepCaClient } from "../../src/step-ca/client.ts";
import { createTokenMint } from "../../src/step-ca/token.ts";
import { openIntermediate } from "../harness/signer.ts";
import { openssl } from "../unit/pki/openssl.ts";

const ARC = "1.3.6.1.4.1.32473.1";
const stepCa = readDescription(layoutOf(process.env).description)?.stepCa;
if (stepCa === undefined) {
  throw new Error("step-ca does not run; start it with: npm run services:up");
}
const rootPem = readFileSync(stepCa.rootFile, "utf8");
const options = {
  url: stepCa.url,
  rootPem,
  provisioner: stepCa.provisioner,
  jwkText: readFileSync(stepCa.keyFile, "utf8"),
  oidArc: ARC,
};
const { privateKeyPem } = generateKeyPair();
const csr = (commonName = ""): string => createCsr({ privateKeyPem, commonName });
const identity = (): { grantId: string; subjectUserId: string; host: string } => ({
  grantId: crypto.randomUUID(),
  subjectUserId: 'Zoë, "a:b" <z@x>',
  host: "work.localhost",
});

/** What a call was refused with: its code and what its cause says. */
async function refusal(call: Promise<unknown>): Promise<{ code: string; cause: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FederationError)) {
    throw new Error("it was not refused as ours are", { cause: error });
  }
  return { code: error.code, cause: error.cause instanceof Error ? error.cause.message : "" };
}

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await createStepCaAuthority(options);
});

describe("a client certificate of step-ca", () => {
  test("is what an enrolling gateway accepts, and says who it speaks for", async () => {
    const who = identity();
    const issued = await authority.issueClientCertificate({ csrPem: csr(), identity: who, lifetimeSeconds: 3_600 });
    const accepted = verifyIssued({ ...issued, rootsPem: [authority.rootPem], privateKeyPem, oidArc: ARC });
    expect(accepted).toMatchObject({ ...who, commonName: who.grantId, serial: issued.serial });
    expect(issued.chainPem).toHaveLength(1);
    const life = issued.notAfter.getTime() - Date.now();
    expect(life).toBeLessThanOrEqual(3_600_000);
    expect(life).toBeGreaterThan(3_500_000);
  });

  test("takes no name from the request", async () => {
    const who = identity();
    const issued = await authority.issueClientCertificate({
      csrPem: csr("somebody else"),
      identity: who,
      lifetimeSeconds: 3_600,
    });
    expect(new X509Certificate(issued.certificateDer).subject).toBe(`CN=${who.grantId}`);
    expect(issued.certificateDer.includes(Buffer.from("somebody else"))).toBe(false);
  });

  test("is not issued for a request that asks for extensions, which a request without them is", async () => {
    const { output } = openssl(
      [
        ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"],
        ...["-subj", "/CN=x", "-addext", "subjectAltName=DNS:evil.localhost"],
      ],
      {},
    );
    const csrPem =
      /-----BEGIN CERTIFICATE REQUEST-----[^]+?-----END CERTIFICATE REQUEST-----\n/.exec(output)?.[0] ?? "";
    expect(readCsr(csrPem).hasAttributes).toBe(true);
    const call = authority.issueClientCertificate({
      csrPem,
      identity: identity(),
      lifetimeSeconds: 3_600,
    });
    expect((await refusal(call)).code).toBe("CSR_INVALID");
  });

  test("names the place of the list to the letter, so that OpenSSL finds it revoked by that list", async () => {
    const issued = await authority.issueClientCertificate({
      csrPem: csr(),
      identity: identity(),
      lifetimeSeconds: 3_600,
    });
    const files = {
      "leaf.pem": issued.certificatePem,
      "chain.pem": issued.chainPem.join(""),
      "root.pem": rootPem,
      "crls.pem": readFileSync(stepCa.rootCrlFile, "utf8"),
    };
    const verify = (crl: string): string =>
      openssl(
        [
          ...["verify", "-crl_check_all", "-CAfile", "root.pem", "-untrusted", "chain.pem"],
          ...["-CRLfile", "crls.pem", "leaf.pem"],
        ],
        { ...files, "crls.pem": files["crls.pem"] + crl },
      ).output;
    const before = await authority.publishCrl({ number: 1, revoked: [] });
    expect(verify(derToPem(before.der, "X509 CRL"))).toContain("leaf.pem: OK");
    const after = await authority.publishCrl({
      number: 1,
      revoked: [{ serial: issued.serial, revokedAt: new Date(), reason: "keyCompromise" }],
    });
    expect(verify(derToPem(after.der, "X509 CRL"))).toContain("certificate revoked");
  });

  test("longer than the provisioner allows is refused, and its cause names the limit", async () => {
    const call = authority.issueClientCertificate({
      csrPem: csr(),
      identity: identity(),
      lifetimeSeconds: 90 * 86_400,
    });
    expect(await refusal(call)).toMatchObject({
      code: "UNAVAILABLE",
      cause: expect.stringContaining("720h") as string,
    });
  });
});

describe("a token", () => {
  const client = createStepCaClient(options);

  test("signs the request that it was made for, once, and no other", async () => {
    const mint = await createTokenMint(options);
    const who = identity();
    const made = (csrPem: string): Promise<string> =>
      mint.toSign({ subject: who.grantId, csrPem, user: { usage: "client", ...who } });
    const csrPem = csr();
    const thiefs = createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "" });
    const token = await made(csrPem);
    expect((await refusal(client.sign({ csrPem: thiefs, token, lifetimeSeconds: 60 * 10 }))).code).toBe("UNAVAILABLE");
    const fresh = await made(csrPem);
    expect(await client.sign({ csrPem, token: fresh, lifetimeSeconds: 600 })).toHaveLength(2);
    expect((await refusal(client.sign({ csrPem, token: fresh, lifetimeSeconds: 600 }))).cause).toContain("401");
  });

  test("to sign does not revoke", async () => {
    const mint = await createTokenMint(options);
    const token = await mint.toSign({ subject: "42", csrPem: csr(), user: { usage: "server" } });
    expect((await refusal(client.revoke({ serial: "42", token, reasonCode: 0 }))).cause).toContain("401");
  });

  test("of another key is refused", async () => {
    const { privateKey } = await generateJwk("ES256", { extractable: true });
    const jwk = await exportJWK(privateKey);
    const jwkText = JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
    const other = await createStepCaAuthority({ ...options, jwkText });
    const call = other.issueClientCertificate({ csrPem: csr(), identity: identity(), lifetimeSeconds: 600 });
    expect((await refusal(call)).cause).toContain("401");
  });

  test.each(["", "{}", "[]", '{"kty":"oct","k":"AA"}'])("is not made from the key %j", async (jwkText) => {
    expect((await refusal(createStepCaAuthority({ ...options, jwkText }))).code).toBe("CONFIG_INVALID");
  });
});

describe("step-ca", () => {
  test("issues anew for the same grant by a new token: another serial, which the old one's revocation leaves alone", async () => {
    const who = identity();
    const issue = (): Promise<{ serial: string }> =>
      authority.issueClientCertificate({ csrPem: csr(), identity: who, lifetimeSeconds: 3_600 });
    const [first, second] = [await issue(), await issue()];
    expect(first.serial).not.toBe(second.serial);
    const { der } = await authority.publishCrl({
      number: 1,
      revoked: [{ serial: first.serial, revokedAt: new Date(), reason: "superseded" }],
    });
    const { revokedSerials } = readCrl(der, openIntermediate().certificateDer);
    expect([revokedSerials.has(first.serial), revokedSerials.has(second.serial)]).toEqual([true, false]);
  });

  test("renews nothing by a certificate alone, so that every serial is one that the gateway asked for", async () => {
    const issued = await authority.issueClientCertificate({
      csrPem: csr(),
      identity: identity(),
      lifetimeSeconds: 3_600,
    });
    const dispatcher = new Agent({
      connect: { ca: rootPem, cert: [issued.certificatePem, ...issued.chainPem].join(""), key: privateKeyPem },
    });
    for (const path of ["/1.0/renew", "/1.0/rekey"]) {
      const answer = await request(`${stepCa.url}${path}`, {
        method: "POST",
        dispatcher,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ csr: csr() }),
      });
      expect([401, 403]).toContain(answer.statusCode);
      await answer.body.dump();
    }
    await dispatcher.close();
  });
});

describe("the list", () => {
  test("names what the database says, once, whichever gateway asks first", async () => {
    const issued = await authority.issueClientCertificate({
      csrPem: csr(),
      identity: identity(),
      lifetimeSeconds: 3_600,
    });
    const revoked = [{ serial: issued.serial, revokedAt: new Date(), reason: "superseded" }];
    const other = await createStepCaAuthority(options);
    const lists = await Promise.all([
      authority.publishCrl({ number: 1, revoked }),
      other.publishCrl({ number: 1, revoked }),
    ]);
    const intermediate = openIntermediate();
    for (const { der } of lists) {
      expect(readCrl(der, intermediate.certificateDer).revokedSerials).toContain(issued.serial);
    }
  });
});

describe("a certificate server of the pinned root that", () => {
  const servers: Server[] = [];
  afterAll(() => {
    servers.forEach((server) => server.close());
  });
  const signer = openIntermediate();
  const embedded = createEmbeddedAuthority({ ...signer, oidArc: ARC, crlUrl: "https://127.0.0.1/crl" });

  /** A real TLS server that the root vouches for, and that answers as it likes. */
  async function hostile(
    answers: Record<string, () => Promise<{ status: number; body: Buffer | object }>>,
  ): Promise<CertificateAuthority> {
    const key = generateKeyPair();
    const { certificatePem } = await embedded.issueServerCertificate({
      csrPem: createCsr({ privateKeyPem: key.privateKeyPem, commonName: "x" }),
      names: ["127.0.0.1"],
      lifetimeSeconds: 3_600,
    });
    const server = createServer(
      { cert: [certificatePem, ...signer.chainPem].join(""), key: key.privateKeyPem },
      (asked, response) => {
        const answer = answers[asked.url ?? ""] ?? honest[asked.url ?? ""];
        void (answer?.() ?? Promise.resolve({ status: 404, body: {} })).then(({ status, body }) => {
          response.writeHead(status).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
        });
      },
    );
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return createStepCaAuthority({ ...options, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
  }

  const crlOf = (from: { certificateDer: Buffer; privateKeyDer: Buffer }, lifetimeSeconds: number): Buffer =>
    buildCrl(
      {
        ...{ revoked: [], number: 1 },
        ...{ thisUpdate: new Date(), nextUpdate: new Date(Date.now() + lifetimeSeconds * 1_000) },
      },
      {
        nameDer: subjectNameOf(from.certificateDer),
        publicKeyDer: new X509Certificate(from.certificateDer).publicKey.export({ type: "spki", format: "der" }),
        privateKeyDer: from.privateKeyDer,
      },
    );
  const signs =
    (who: ReturnType<typeof identity>, key = privateKeyPem, by = signer) =>
    async () => {
      const issuer = createEmbeddedAuthority({ ...by, oidArc: ARC, crlUrl: "https://127.0.0.1/crl" });
      const { certificatePem } = await issuer.issueClientCertificate({
        csrPem: createCsr({ privateKeyPem: key, commonName: "" }),
        identity: who,
        lifetimeSeconds: 600,
      });
      return { status: 201, body: { crt: certificatePem, certChain: [certificatePem, ...by.chainPem] } };
    };
  const honest: Parameters<typeof hostile>[0] = {
    "/1.0/crl": () => Promise.resolve({ status: 200, body: crlOf(signer, 3_600) }),
    "/1.0/intermediates": () => Promise.resolve({ status: 201, body: { crts: signer.chainPem } }),
  };
  const ask = async (who: ReturnType<typeof identity>, answers: Parameters<typeof hostile>[0]): Promise<unknown> => {
    const tried = await hostile(answers);
    return tried.issueClientCertificate({ csrPem: csr(), identity: who, lifetimeSeconds: 600 });
  };

  test("answers as it should is believed, which the refusals below are not", async () => {
    const who = identity();
    await expect(ask(who, { "/1.0/sign": signs(who) })).resolves.toMatchObject({
      serial: expect.any(String) as string,
    });
  });

  test("says another identity is refused", async () => {
    const who = identity();
    const asked = refusal(ask(who, { "/1.0/sign": signs({ ...who, subjectUserId: "root" }) }));
    expect(await asked).toMatchObject({ code: "UNAVAILABLE", cause: "what step-ca issued says another identity" });
  });

  test("signs another key is refused", async () => {
    const who = identity();
    const asked = refusal(ask(who, { "/1.0/sign": signs(who, generateKeyPair().privateKeyPem) }));
    expect(await asked).toMatchObject({ code: "UNAVAILABLE", cause: "what step-ca issued is for another key" });
  });

  test("gives a certificate of another root is refused", async () => {
    const who = identity();
    const other = { ...createRoot({ commonName: "other", lifetimeDays: 1 }), chainPem: [] };
    expect((await refusal(ask(who, { "/1.0/sign": signs(who, privateKeyPem, other) }))).code).toBe(
      "CERTIFICATE_INVALID",
    );
  });

  test.each([
    [
      "that somebody else signed",
      () => crlOf(createRoot({ commonName: "other", lifetimeDays: 1 }), 3_600),
      "CERTIFICATE_INVALID",
    ],
    ["that is past its next update", () => crlOf(signer, -60), "UNAVAILABLE"],
    ["that is none", () => Buffer.from("no list"), "CERTIFICATE_INVALID"],
  ])("gives a list %s is refused", async (_, list, code) => {
    const tried = await hostile({ "/1.0/crl": () => Promise.resolve({ status: 200, body: list() }) });
    expect((await refusal(tried.publishCrl({ number: 1, revoked: [] }))).code).toBe(code);
  });

  test("keeps a revoked certificate from its list is not believed", async () => {
    const tried = await hostile({ "/1.0/revoke": () => Promise.resolve({ status: 200, body: { status: "ok" } }) });
    const revoked = [{ serial: "0123", revokedAt: new Date(), reason: "keyCompromise" }];
    expect((await refusal(tried.publishCrl({ number: 1, revoked }))).code).toBe("UNAVAILABLE");
    await expect(tried.publishCrl({ number: 1, revoked: [] })).resolves.toBeDefined();
  });
});

test("a step-ca of another root than the pinned one is not spoken to", async () => {
  const other = derToPem(createRoot({ commonName: "other", lifetimeDays: 1 }).certificateDer, "CERTIFICATE");
  const stranger = await createStepCaAuthority({ ...options, rootPem: other });
  const call = stranger.issueClientCertificate({ csrPem: csr(), identity: identity(), lifetimeSeconds: 600 });
  expect((await refusal(call)).code).toBe("UNAVAILABLE");
});
