import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { SignJWT } from "jose";
import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import type { ServiceName } from "../../scripts/services/layout.ts";
import { readDescription, statusOf } from "../../scripts/services/status.ts";
import type { Description } from "../../scripts/services/status.ts";
import { stepCaRequest, valkeyCommands } from "../../scripts/services/wire.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { readCrl } from "../../src/pki/crl.ts";
import { pemToDer, readX509 } from "../../src/pki/der.ts";
import { readPeerIdentity } from "../../src/pki/identity.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";

const layout = layoutOf(process.env);
const description = readDescription(layout.description);
const absent = (await statusOf(layout)).filter(({ healthy }) => !healthy).map(({ service }) => service);
const required = process.env["MOSAIC_REQUIRE_SERVICES"] === "1";
const ARC = "1.3.6.1.4.1.32473.1";

if (absent.length > 0 && !required) {
  console.warn(
    `\n!!! NOT TESTED, for they do not run: ${absent.join(", ")}. Start them: node scripts/services.ts up\n`,
  );
}

/** Whether the tests of a service are left out. Where services are required, they run and fail. */
const skipped = (service: ServiceName): boolean => absent.includes(service) && !required;

/** What services.json says of a service. */
function running<K extends "postgres" | "valkey" | "stepCa" | "otelCollector">(name: K): NonNullable<Description[K]> {
  const service = description?.[name];
  if (service === undefined) {
    throw new Error(`${name} does not run; start it with: node scripts/services.ts up`);
  }
  return service;
}

/** Asks step-ca for a certificate with a token of the provisioner's. */
async function sign(options: {
  subject: string;
  user?: Record<string, unknown>;
  sans?: string[];
  csrName?: string;
}): Promise<{ status: number; certificate: X509Certificate; chain: string[] }> {
  const stepCa = running("stepCa");
  const csr = createCsr({
    privateKeyPem: generateKeyPair().privateKeyPem,
    commonName: options.csrName ?? options.subject,
  });
  const fingerprint = createHash("sha256")
    .update(pemToDer(csr, "CERTIFICATE REQUEST", "CSR_INVALID"))
    .digest("base64url");
  const { status, body } = await stepCaRequest(stepCa, "/1.0/sign", {
    csr,
    ott: await token("sign", options.subject, {
      cnf: { "x5rt#S256": fingerprint },
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.sans === undefined ? {} : { sans: options.sans }),
    }),
  });
  if (status !== 201) {
    // A certificate of step-ca's own, so that the type has one; the status says that nothing was signed.
    return { status, certificate: readX509(readFileSync(stepCa.rootFile), "CERTIFICATE_INVALID"), chain: [] };
  }
  const { crt, certChain } = JSON.parse(body.toString()) as { crt: string; certChain: string[] };
  return { status, certificate: new X509Certificate(crt), chain: certChain };
}

async function token(verb: "sign" | "revoke", subject: string, claims: Record<string, unknown>): Promise<string> {
  const stepCa = running("stepCa");
  const jwk = JSON.parse(readFileSync(stepCa.keyFile, "utf8"));
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: jwk.kid })
    .setIssuer(stepCa.provisioner)
    .setSubject(subject)
    .setAudience(`https://localhost/1.0/${verb}`)
    .setJti(randomUUID())
    .setNotBefore("0s")
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(jwk);
}

describe.skipIf(description === undefined && !required)("what tests read of the services", () => {
  it("is its owner's alone", () => {
    expect(statSync(layout.description).mode & 0o777).toBe(0o600);
    expect(statSync(layout.folder).mode & 0o777).toBe(0o700);
  });
});

describe.skipIf(skipped("postgres"))("PostgreSQL", () => {
  it("has pgvector, which measures distances", async () => {
    const client = new Client({ connectionString: running("postgres").url });
    await client.connect();
    try {
      await client.query("begin");
      await client.query("create extension if not exists vector");
      const { rows } = await client.query("select extname from pg_extension where extname = 'vector'");
      expect(rows).toEqual([{ extname: "vector" }]);
      const distance = await client.query("select '[1,2]'::vector <-> '[4,6]'::vector as distance");
      expect(distance.rows).toEqual([{ distance: 5 }]);
    } finally {
      await client.query("rollback");
      await client.end();
    }
  });

  it("takes nobody without the password", async () => {
    const url = new URL(running("postgres").url);
    url.password = "wrong";
    const client = new Client({ connectionString: url.href });
    await expect(client.connect()).rejects.toMatchObject({ code: "28P01" });
  });
});

describe.skipIf(skipped("valkey"))("Valkey", () => {
  it("keeps what it is told", async () => {
    const { url } = running("valkey");
    const key = `test:${randomUUID()}`;
    const answers = await valkeyCommands(url, [
      ["PING"],
      ["SET", key, "wärt", "EX", "60"],
      ["GET", key],
      ["DEL", key],
      ["GET", key],
    ]);
    expect(answers).toEqual(["PONG", "OK", "wärt", "1", null]);
  });

  it("answers nobody without the password", async () => {
    const url = new URL(running("valkey").url);
    url.password = "";
    await expect(valkeyCommands(url.href, [["PING"]])).rejects.toThrow(/NOAUTH/);
    url.password = "wrong";
    await expect(valkeyCommands(url.href, [["PING"]])).rejects.toThrow(/WRONGPASS/);
  });
});

describe.skipIf(skipped("otel-collector"))("the OpenTelemetry Collector", () => {
  it("writes what it is sent, as a line of JSON", async () => {
    const { url, tracesFile } = running("otelCollector");
    const [traceId, spanId] = [randomUUID().replaceAll("-", ""), "00f067aa0ba902b7"];
    const span = { traceId, spanId, name: "services.test", kind: 1, startTimeUnixNano: "1", endTimeUnixNano: "2" };
    const sent = await fetch(`${url}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
    });
    expect(sent.status).toBe(200);
    await expect.poll(() => readFileSync(tracesFile, "utf8"), { timeout: 5_000 }).toContain(traceId);
  });

  it("listens on loopback alone", () => {
    expect(new URL(running("otelCollector").url).hostname).toBe("127.0.0.1");
  });
});

describe.skipIf(skipped("step-ca"))("step-ca", () => {
  it("is healthy and has the root that is pinned", async () => {
    const stepCa = running("stepCa");
    const health = await stepCaRequest(stepCa, "/health");
    expect([health.status, JSON.parse(health.body.toString())]).toEqual([200, { status: "ok" }]);
    const root = await stepCaRequest(stepCa, `/root/${stepCa.rootFingerprint}`);
    const { ca } = JSON.parse(root.body.toString()) as { ca: string };
    expect(createHash("sha256").update(new X509Certificate(ca).raw).digest("hex")).toBe(stepCa.rootFingerprint);
  });
});

describe.skipIf(skipped("step-ca"))("step-ca's certificates", () => {
  const identity = { subjectUserId: 'Zoë, "a:b" <z@x>', host: "work.localhost" };

  it("say who a peer speaks for, from the token alone", async () => {
    const { crlUrl, rootFile } = running("stepCa");
    const grantId = randomUUID();
    const { status, certificate, chain } = await sign({
      subject: grantId,
      user: { usage: "client", grantId, ...identity, crlUrl },
    });
    expect(status).toBe(201);
    expect(readPeerIdentity(certificate.raw, ARC)).toMatchObject({ grantId, ...identity, commonName: grantId });
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.raw.includes(Buffer.from(crlUrl))).toBe(true);
    const days = (new Date(certificate.validTo).getTime() - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    const intermediate = new X509Certificate(chain[1] ?? "");
    const root = new X509Certificate(readFileSync(rootFile));
    expect(certificate.verify(intermediate.publicKey) && intermediate.verify(root.publicKey)).toBe(true);
  });

  it("carry another arc where the token names one", async () => {
    const grantId = randomUUID();
    const { certificate } = await sign({
      subject: grantId,
      user: { usage: "client", grantId, ...identity, oidArc: "1.3.6.1.4.1.32473.9" },
    });
    expect(readPeerIdentity(certificate.raw, "1.3.6.1.4.1.32473.9")).toMatchObject({ grantId });
  });

  it("name a server, for servers only", async () => {
    const { status, certificate } = await sign({
      subject: "work.localhost",
      sans: ["work.localhost", "127.0.0.1"],
      user: { usage: "server" },
    });
    expect(status).toBe(201);
    expect(certificate.subjectAltName).toBe("DNS:work.localhost, IP Address:127.0.0.1");
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  });

  it("are issued for what the refusals below lack", async () => {
    expect((await sign({ subject: "g", user: { usage: "client", grantId: "g", ...identity } })).status).toBe(201);
  });

  it.each([
    ["no user data", { user: undefined }],
    ["no usage", { user: { grantId: "g", ...identity } }],
    ["an unknown usage", { user: { usage: "authority", grantId: "g", ...identity } }],
    ["no subject user", { user: { usage: "client", grantId: "g", host: identity.host } }],
    [
      "a subject user that is no text",
      { user: { usage: "client", grantId: "g", subjectUserId: 7, host: identity.host } },
    ],
    ["a grant that is not its subject", { user: { usage: "client", grantId: "other", ...identity } }],
  ])("are not issued for a token with %s", async (_, { user }) => {
    expect((await sign({ subject: "g", ...(user === undefined ? {} : { user }) })).status).not.toBe(201);
  });

  it("are not issued for a request that names somebody else", async () => {
    const grantId = randomUUID();
    const user = { usage: "client", grantId, ...identity };
    expect((await sign({ subject: grantId, user, csrName: "somebody else" })).status).not.toBe(201);
  });

  it("are in the list once they are revoked, and the list is the intermediate's", async () => {
    const stepCa = running("stepCa");
    const grantId = randomUUID();
    const { certificate, chain } = await sign({
      subject: grantId,
      user: { usage: "client", grantId, ...identity, crlUrl: stepCa.crlUrl },
    });
    const serial = BigInt(`0x${certificate.serialNumber}`).toString();
    const { status } = await stepCaRequest(stepCa, "/1.0/revoke", {
      serial,
      ott: await token("revoke", serial, {}),
      reasonCode: 4,
      passive: true,
    });
    expect(status).toBe(200);
    const { body } = await stepCaRequest(stepCa, "/1.0/crl");
    const crl = readCrl(body, new X509Certificate(chain[1] ?? "").raw);
    expect(crl.revokedSerials).toContain(certificate.serialNumber.toLowerCase());
    expect(body.includes(Buffer.from(stepCa.crlUrl))).toBe(true);
  });
});
