import { randomUUID, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolClient } from "pg";
import { createSessions } from "../../../src/database/session.ts";
import { createLog } from "../../../src/observability/log.ts";
import type { CertificateAuthority } from "../../../src/pki/authority.ts";
import { signCertificate, subjectNameOf } from "../../../src/pki/certificate.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
import { createRevocations } from "../../../src/revocation/revocations.ts";
import type { Revocations } from "../../../src/revocation/revocations.ts";
import { openPool, openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant, asRole, seedPeople } from "../../policies/actors.ts";
import type { Grant } from "../../policies/actors.ts";

const [ARC, CRL_URL] = ["1.3.6.1.4.1.32473.1", "https://work.localhost/crl"];

export interface Key {
  certificateDer: Buffer;
  privateKeyDer: Buffer;
}

/** A database with an authority, and processes that publish what is revoked in it. */
export interface Publishing {
  database: TestDatabase;
  root: Key;
  /** Signs with the root's key. */
  embedded: CertificateAuthority;
  /** A process of a gateway; those of one directory share what they have published. */
  process(options?: { authorities?: () => CertificateAuthority[]; directory?: string }): Revocations;
  directory(): string;
  /** Runs as an administrator. */
  asAdmin<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  grant(): Promise<Grant>;
  revoke(grant: Grant): Promise<void>;
  /** Of alerts that are open. */
  alerts(): Promise<{ code: string; subject: string }[]>;
  close(): Promise<void>;
}

export async function openPublishing(): Promise<Publishing> {
  const database = await openTestDatabase();
  const root = createRoot({ commonName: "work", lifetimeDays: 100 });
  const embedded = createEmbeddedAuthority({ ...root, oidArc: ARC, crlUrl: CRL_URL });
  const gateways = openPool(database.connectionString, 4);
  const sessions = createSessions(gateways, { statementTimeoutMs: 10_000 });
  const directories: string[] = [];
  const directory = (): string => {
    const made = mkdtempSync(join(tmpdir(), "mosaic-publishing-"));
    directories.push(made);
    return made;
  };
  const asAdmin = <T>(work: (client: PoolClient) => Promise<T>): Promise<T> =>
    database.committed((client) => asRole(client, "federation_admin", () => work(client)));
  await asAdmin((client) => addAuthority(client, "embedded", embedded));
  await database.committed((client) => seedPeople(client, { olga: [] }));
  return {
    database,
    root,
    embedded,
    process: (options = {}) =>
      createRevocations({
        sessions,
        authorities: options.authorities ?? (() => [embedded]),
        file: join(options.directory ?? directory(), "revocations.json"),
        whenStale: "refuse",
        log: createLog("silent"),
      }),
    directory,
    asAdmin,
    grant: () =>
      database.committed((client) => activeGrant(client, "olga", { resources: ["tasks"], include_personal: true })),
    revoke: ({ id }) =>
      asAdmin(async (client) => {
        await client.query("select federation.revoke_grant($1, 'test')", [id]);
      }),
    alerts: () =>
      asAdmin(async (client) => {
        const { rows } = await client.query<{ code: string; subject: string }>(
          "select code, subject from federation.list_alerts() order by code",
        );
        return rows;
      }),
    close: async () => {
      await gateways.end();
      await database.close();
      directories.forEach((made) => {
        rmSync(made, { recursive: true });
      });
    },
  };
}

export async function addAuthority(
  client: PoolClient,
  kind: CertificateAuthority["kind"],
  authority: CertificateAuthority,
): Promise<void> {
  await client.query("select federation.add_authority($1, $2, $3, $4, $5)", [
    randomUUID(),
    kind,
    new X509Certificate(authority.rootPem).raw,
    authority.rootFingerprint,
    Buffer.from("sealed"),
  ]);
}

/** What signs below a root as step-ca does, by a key of its own and with numbers of its own, from 1 on. */
export function belowRoot(root: Key, trusted: CertificateAuthority): CertificateAuthority & { certificateDer: Buffer } {
  const { privateKeyDer, publicKeyDer } = generateKeyPair();
  const certificateDer = signCertificate(
    {
      ...{ commonName: "intermediate", usage: "authority", publicKeyDer },
      ...{ notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) },
    },
    {
      nameDer: subjectNameOf(root.certificateDer),
      publicKeyDer: new X509Certificate(root.certificateDer).publicKey.export({ type: "spki", format: "der" }),
      privateKeyDer: root.privateKeyDer,
    },
  );
  const signer = createEmbeddedAuthority({ certificateDer, privateKeyDer, oidArc: ARC, crlUrl: CRL_URL });
  let number = 0;
  return {
    ...signer,
    kind: "step-ca",
    rootPem: trusted.rootPem,
    rootFingerprint: trusted.rootFingerprint,
    before: trusted,
    certificateDer,
    publishCrl: ({ revoked }) => {
      number += 1;
      return signer.publishCrl({ revoked, number });
    },
  };
}

/** An authority that can be held up, and that counts the lists that it signed. */
export function held(authority: CertificateAuthority): CertificateAuthority & {
  readonly signed: number;
  /** Lets nothing be signed until what it returns is called. */
  hold(): () => void;
  /** Settles when somebody waits for a list. */
  asked(): Promise<void>;
} {
  let signed = 0;
  let gate = Promise.resolve();
  let ask = Promise.withResolvers<undefined>();
  return {
    ...authority,
    get signed() {
      return signed;
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      gate = promise.then(() => undefined);
      ask = Promise.withResolvers<undefined>();
      return () => {
        resolve(undefined);
      };
    },
    asked: () => ask.promise,
    publishCrl: async (request) => {
      ask.resolve(undefined);
      await gate;
      signed += 1;
      return authority.publishCrl(request);
    },
  };
}
