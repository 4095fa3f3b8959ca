import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UNPRIVILEGED } from "../../test/harness/postgres-server.ts";
import { configSchema } from "../../src/config/schema.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";

/** What a TLS client shows and trusts, PEM. */
export interface TlsClient {
  ca: string;
  cert: string;
  key: string;
}

/** Files and certificates of one root, for every peer that the gateway is measured beside. */
export interface Certificates {
  caFile: string;
  serverCertFile: string;
  serverKeyFile: string;
  /** By common name. */
  clients: Map<string, TlsClient & { certFile: string; keyFile: string }>;
}

const LIFETIME_SECONDS = 7 * 86_400;

/**
 * Makes a root, a server's certificate for loopback and clients', by the gateway's own code, so that all have the same kind of keys (P-256).
 *
 * @param folder where the files go
 * @param names common names of the clients
 */
export async function makeCertificates(folder: string, names: readonly string[]): Promise<Certificates> {
  mkdirSync(folder, { recursive: true });
  const root = createRoot({ commonName: "bench root", lifetimeDays: 30 });
  const authority = createEmbeddedAuthority({
    ...root,
    oidArc: configSchema.shape.oidArc.parse(undefined),
    crlUrl: "https://bench.localhost/crl",
  });
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    // PostgreSQL takes only keys that nobody but its own user can read.
    if (process.getuid?.() === 0) {
      chownSync(file, UNPRIVILEGED, UNPRIVILEGED);
    }
    return file;
  };
  const server = generateKeyPair();
  const { certificatePem } = await authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem: server.privateKeyPem, commonName: "bench" }),
    names: ["bench.localhost", "localhost", "127.0.0.1"],
    lifetimeSeconds: LIFETIME_SECONDS,
  });
  const clients: Certificates["clients"] = new Map();
  for (const name of names) {
    const { privateKeyPem: key } = generateKeyPair();
    const issued = await authority.issueClientCertificate({
      csrPem: createCsr({ privateKeyPem: key, commonName: "bench" }),
      identity: { grantId: name, subjectUserId: "alice", host: "bench.localhost" },
      lifetimeSeconds: LIFETIME_SECONDS,
    });
    clients.set(name, {
      ca: authority.rootPem,
      cert: issued.certificatePem,
      key,
      certFile: write(`${name}.pem`, issued.certificatePem),
      keyFile: write(`${name}-key.pem`, key),
    });
  }
  return {
    caFile: write("ca.pem", authority.rootPem),
    serverCertFile: write("server.pem", certificatePem),
    serverKeyFile: write("server-key.pem", server.privateKeyPem),
    clients,
  };
}
