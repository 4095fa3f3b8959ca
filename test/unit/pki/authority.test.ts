import { X509Certificate } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import fc from "fast-check";
import { derToPem, fingerprintOf } from "../../../src/pki/der.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
import { verifyIssued } from "../../../src/pki/verify.ts";
import { ARC, codeOf, craft, IDENTITY, issued } from "./craft.ts";
import { hasOpenssl, openssl } from "./openssl.ts";

const CRL_URL = "https://work.example/crl";

let made: Awaited<ReturnType<typeof issued>>;
beforeAll(async () => {
  made = await issued();
});
const verify = (certificatePem: string, change: { rootsPem?: string[]; privateKeyPem?: string } = {}): string =>
  codeOf(() =>
    verifyIssued({
      certificatePem,
      chainPem: [],
      rootsPem: [made.authority.rootPem],
      privateKeyPem: made.key.privateKeyPem,
      oidArc: ARC,
      ...change,
    }),
  );

test("what the authority issues is what an enrolling gateway accepts", () => {
  const { client, authority, key } = made;
  const identity = verifyIssued({
    certificatePem: client.certificatePem,
    chainPem: [],
    rootsPem: [authority.rootPem],
    privateKeyPem: key.privateKeyPem,
    oidArc: ARC,
  });
  expect(identity).toMatchObject({ ...IDENTITY, serial: client.serial, notAfter: client.notAfter });
  expect(client.fingerprint).toBe(fingerprintOf(client.certificateDer));
  expect(authority.rootFingerprint).toBe(fingerprintOf(made.root.certificateDer));
  expect(client.chainPem).toEqual([]);
});

test("a certificate begins a minute ago and never outlives its root", async () => {
  const root = createRoot({ commonName: "short", lifetimeDays: 1 });
  const authority = createEmbeddedAuthority({ ...root, oidArc: ARC, crlUrl: CRL_URL });
  const { notBefore, notAfter } = await authority.issueClientCertificate({
    csrPem: made.csrPem,
    identity: IDENTITY,
    lifetimeSeconds: 30 * 86_400,
  });
  expect(Date.now() - notBefore.getTime()).toBeGreaterThanOrEqual(60_000);
  expect(notAfter.getTime()).toBeLessThanOrEqual(new Date(new X509Certificate(root.certificateDer).validTo).getTime());
});

test("serial numbers differ, are positive and fit the record", async () => {
  const serials = new Set<string>();
  for (let round = 0; round < 200; round += 1) {
    const { client } = await issued();
    expect(client.serial).toMatch(/^([0-9a-f]{2}){1,20}$/);
    serials.add(client.serial);
  }
  expect(serials.size).toBe(200);
});

test("a certificate of another root, for another key, or of no authority is refused", async () => {
  const other = await issued();
  expect(verify(made.client.certificatePem)).toBe("none");
  expect(verify(made.client.certificatePem, { rootsPem: [other.authority.rootPem] })).toBe("CERTIFICATE_INVALID");
  expect(verify(made.client.certificatePem, { privateKeyPem: generateKeyPair().privateKeyPem })).toBe(
    "CERTIFICATE_INVALID",
  );
  expect(verify(derToPem(craft(), "CERTIFICATE"))).toBe("CERTIFICATE_INVALID");
  expect(verify(made.client.certificatePem, { rootsPem: [made.client.certificatePem] })).toBe("CERTIFICATE_INVALID");
});

test("a server's certificate is no peer's", async () => {
  const server = await made.authority.issueServerCertificate({
    csrPem: made.csrPem,
    names: ["work.example"],
    lifetimeSeconds: 3600,
  });
  expect(verify(server.certificatePem)).toBe("CERTIFICATE_INVALID");
});

test("a certificate with any byte changed is refused with CERTIFICATE_INVALID", () => {
  const { certificateDer } = made.client;
  fc.assert(
    fc.property(fc.nat(certificateDer.length - 1), fc.integer({ min: 1, max: 255 }), (index, by) => {
      const mutated = Buffer.from(certificateDer.map((byte, at) => (at === index ? byte ^ by : byte)));
      expect(verify(derToPem(mutated, "CERTIFICATE"))).toBe("CERTIFICATE_INVALID");
    }),
    { numRuns: 2000 },
  );
});

test("a root and a key that do not belong together make no authority", () => {
  const options = {
    certificateDer: made.root.certificateDer,
    privateKeyDer: generateKeyPair().privateKeyDer,
    oidArc: ARC,
    crlUrl: CRL_URL,
  };
  expect(codeOf(() => createEmbeddedAuthority({ ...made.root, oidArc: ARC, crlUrl: CRL_URL }))).toBe("none");
  expect(codeOf(() => createEmbeddedAuthority(options))).toBe("CONFIG_INVALID");
});

test("a server's certificate names its DNS names, IPv4 and IPv6 addresses", async () => {
  const names = ["work.example", "127.0.0.1", "::1", "[2001:db8::5]"];
  const server = await made.authority.issueServerCertificate({ csrPem: made.csrPem, names, lifetimeSeconds: 3600 });
  const certificate = new X509Certificate(server.certificateDer);
  expect(certificate.checkHost("work.example")).toBe("work.example");
  expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(certificate.checkIP("::1")).toBe("::1");
  expect(certificate.checkIP("2001:db8::5")).toBe("2001:db8::5");
});

test("OpenSSL accepts our chains strictly and shows what they are for", async (context) => {
  if (!hasOpenssl()) {
    context.skip();
    return;
  }
  const server = await made.authority.issueServerCertificate({
    csrPem: made.csrPem,
    names: ["work.example", "127.0.0.1"],
    lifetimeSeconds: 3600,
  });
  const files = {
    "root.pem": made.authority.rootPem,
    "client.pem": made.client.certificatePem,
    "server.pem": server.certificatePem,
  };
  const verified = (purpose: string, file: string): number =>
    openssl(["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "root.pem", file], files).status;
  expect(verified("sslclient", "client.pem")).toBe(0);
  expect(verified("sslserver", "server.pem")).toBe(0);
  expect(verified("sslserver", "client.pem")).not.toBe(0);
  const text = openssl(["x509", "-text", "-noout", "-in", "client.pem"], files).output;
  for (const part of [
    `${ARC}.1::${IDENTITY.grantId}`,
    `${ARC}.2::alice`,
    `URI:mosaic://work.example/grants/${IDENTITY.grantId}`,
    "Version: 3",
    "ecdsa-with-SHA256",
    "Basic Constraints: critical",
    "CA:FALSE",
    "Key Usage: critical",
    "TLS Web Client Authentication",
    "Subject Key Identifier",
    "Authority Key Identifier",
    "URI:https://work.example:8444/crl",
  ]) {
    expect(text).toContain(part);
  }
  const root = openssl(["x509", "-text", "-noout", "-in", "root.pem"], files).output;
  expect(root).toContain("CA:TRUE, pathlen:1");
  expect(root).toContain("Certificate Sign, CRL Sign");
});
