import { randomBytes, randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Enrolled } from "../../src/client/enroll.ts";
import { storePeer } from "../../src/client/store-peer.ts";
import { signCertificate, subjectNameOf } from "../../src/pki/certificate.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { pemToDer, readX509 } from "../../src/pki/der.ts";
import { createEmbeddedAuthority, createRoot, crossCertify } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asRole, seedPeople } from "./actors.ts";
import { only, refusal } from "./verbs.ts";

const ARC = "1.3.6.1.4.1.32473.1";
const HOST = "work.example.org";
const KEYRING = { current: 1, keys: new Map([[1, randomBytes(32)]]) };
type Root = ReturnType<typeof createRoot>;

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const spkiOf = (der: Buffer): Buffer =>
  readX509(der, "CERTIFICATE_INVALID").publicKey.export({ type: "spki", format: "der" });

/** The key of another authority, certified by `signer`. */
function bridgeTo(of: Root, commonName: string, signer: Root, life: { notBefore: Date; notAfter: Date }): Buffer {
  return signCertificate(
    { commonName, publicKeyDer: spkiOf(of.certificateDer), ...life, usage: "authority" },
    {
      nameDer: subjectNameOf(signer.certificateDer),
      publicKeyDer: spkiOf(signer.certificateDer),
      privateKeyDer: signer.privateKeyDer,
    },
  );
}

/** What an enrollment brings: a certificate that `signer` signed, the chain that came with it, and the root that the URL named. */
async function enrolled(signer: Root, chainDer: Buffer[], rootDer: Buffer): Promise<Enrolled> {
  const { privateKeyPem, privateKeyDer } = generateKeyPair();
  const grantId = randomUUID();
  const issued = await createEmbeddedAuthority({
    ...signer,
    oidArc: ARC,
    crlUrl: `https://${HOST}/crl`,
  }).issueClientCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: "mosaic peer" }),
    identity: { grantId, subjectUserId: "bob", host: HOST },
    lifetimeSeconds: 3_600,
  });
  return {
    host: HOST,
    federationUrl: `https://${HOST}`,
    publicUrl: `https://${HOST}`,
    grantId,
    subjectUserId: "bob",
    rootDer,
    chainDer: [pemToDer(issued.certificatePem, "CERTIFICATE", "CERTIFICATE_INVALID"), ...chainDer],
    serial: issued.serial,
    notAfter: issued.notAfter,
    privateKeyDer,
  };
}

/** A user who has a peer of the first root. */
async function begun(work: (client: PoolClient, first: Root, known: Enrolled) => Promise<void>): Promise<void> {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    const first = createRoot({ commonName: "work root 1", lifetimeDays: 365 });
    const known = await enrolled(first, [], first.certificateDer);
    await store(client, known);
    await work(client, first, known);
  });
}
const store = (client: PoolClient, peer: Enrolled): Promise<void> =>
  asRole(client, "federation_admin", () => storePeer(client, KEYRING, "olga", peer));
/** The grant and the root of the user's peer. */
async function stored(client: PoolClient): Promise<{ grantId: string; rootDer: Buffer }> {
  const { rows } = await client.query<{ grantId: string; rootDer: Buffer }>(
    `select grant_id as "grantId", root_certificate_der as "rootDer" from federation.federation_peers where owner_user_id = 'olga'`,
  );
  return only(rows);
}
const of = ({ grantId, rootDer }: Enrolled): { grantId: string; rootDer: Buffer } => ({ grantId, rootDer });

describe("a peer that is enrolled again under another root", () => {
  test("is replaced where the root that is known certified the key of the new one", async () => {
    await begun(async (client, first) => {
      const next = { commonName: "work root 2", ...createRoot({ commonName: "work root 2", lifetimeDays: 365 }) };
      const again = await enrolled(next, [crossCertify(next, first)], next.certificateDer);
      await store(client, again);
      expect(await stored(client)).toEqual(of(again));
    });
  });

  test("stays where the known root vouches for our certificate alone, which a stranger's root is made to vouch for, too", async () => {
    await begun(async (client, first, known) => {
      const stranger = createRoot({ commonName: "stranger root", lifetimeDays: 365 });
      // The stranger got the leaf from the honest gateway by a token of its own, and has certified the honest root's name and key.
      const bridge = bridgeTo(first, "work root 1", stranger, {
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 86_400_000),
      });
      for (const chain of [[bridge], [bridge, stranger.certificateDer], [stranger.certificateDer, bridge]]) {
        const relayed = await enrolled(first, chain, stranger.certificateDer);
        expect(await refusal(store(client, relayed))).toBe("CONFLICT");
        expect(await stored(client)).toEqual(of(known));
      }
    });
  });

  test("stays where the known root certified the stranger's key as a client's, which it does for every peer of a grant", async () => {
    await begun(async (client, first, known) => {
      // The stranger holds a grant of the honest gateway like anybody's: a client certificate for a key that it made.
      const { privateKeyPem, privateKeyDer, publicKeyDer } = generateKeyPair();
      const grantId = randomUUID();
      const honest = createEmbeddedAuthority({ ...first, oidArc: ARC, crlUrl: `https://${HOST}/crl` });
      const clientCertificate = await honest.issueClientCertificate({
        csrPem: createCsr({ privateKeyPem, commonName: "mosaic peer" }),
        identity: { grantId, subjectUserId: "mallory", host: HOST },
        lifetimeSeconds: 3_600,
      });
      // It makes a root of the same key and name.
      const strangerDer = signCertificate(
        {
          commonName: grantId,
          publicKeyDer,
          notBefore: new Date(Date.now() - 60_000),
          notAfter: new Date(Date.now() + 86_400_000),
          usage: "authority",
          authoritiesBelow: 1,
        },
        { nameDer: subjectNameOf(clientCertificate.certificateDer), publicKeyDer, privateKeyDer },
      );
      const stranger = { certificateDer: strangerDer, privateKeyDer };
      const forged = await enrolled(stranger, [clientCertificate.certificateDer], strangerDer);
      expect(await refusal(store(client, forged))).toBe("CONFLICT");
      expect(await stored(client)).toEqual(of(known));
    });
  });

  test("stays where the certificate of the new root's key has ended", async () => {
    await begun(async (client, first, known) => {
      const next = createRoot({ commonName: "work root 2", lifetimeDays: 365 });
      const ended = bridgeTo(next, "work root 2", first, {
        notBefore: new Date(Date.now() - 86_400_000),
        notAfter: new Date(Date.now() - 60_000),
      });
      expect(await refusal(store(client, await enrolled(next, [ended], next.certificateDer)))).toBe("CONFLICT");
      expect(await stored(client)).toEqual(of(known));
    });
  });

  test("stays where nothing leads from the known root to the new one", async () => {
    await begun(async (client, _first, known) => {
      const stranger = createRoot({ commonName: "work root 1", lifetimeDays: 365 });
      expect(await refusal(store(client, await enrolled(stranger, [], stranger.certificateDer)))).toBe("CONFLICT");
      expect(await stored(client)).toEqual(of(known));
    });
  });
});
