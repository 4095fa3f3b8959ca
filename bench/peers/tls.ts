import { randomUUID } from "node:crypto";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem } from "../../src/pki/der.ts";
import { configSchema } from "../../src/config/schema.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";

/** What a peer's server proves itself by, P-256, and the root that vouches for it; and what a client of that root does. PEM. */
export interface ServerTls {
  rootPem: string;
  certificate: string;
  key: string;
  client: { certificate: string; key: string };
}

/** Certificates for loopback by an authority of this run. */
export async function createServerTls(): Promise<ServerTls> {
  const root = createRoot({ commonName: "benchmark root", lifetimeDays: 2 });
  const oidArc = configSchema.shape.oidArc.parse(undefined);
  const authority = createEmbeddedAuthority({ ...root, oidArc, crlUrl: "https://bench.localhost/crl" });
  const { privateKeyPem } = generateKeyPair();
  const { certificatePem } = await authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: "localhost" }),
    names: ["localhost", "127.0.0.1"],
    lifetimeSeconds: 86_400,
  });
  const clientKey = generateKeyPair().privateKeyPem;
  const client = await authority.issueClientCertificate({
    csrPem: createCsr({ privateKeyPem: clientKey, commonName: "localhost" }),
    identity: { grantId: randomUUID(), subjectUserId: "nobody", host: "bench.localhost" },
    lifetimeSeconds: 86_400,
  });
  return {
    client: { certificate: client.certificatePem, key: clientKey },
    rootPem: derToPem(root.certificateDer, "CERTIFICATE"),
    certificate: certificatePem,
    key: privateKeyPem,
  };
}
