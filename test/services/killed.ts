import { createPrivateKey, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { expect, vi } from "vitest";
import { gatewayPaths } from "../../src/config/paths.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { addPeer, createGrant } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { readCrl } from "../../src/pki/crl.ts";
import { derToPem } from "../../src/pki/der.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { unseal } from "../../src/seal/seal.ts";
import { verifyAudit } from "../../src/setup/verify-audit.ts";
import type { Killable, Side } from "./killable.ts";
import { onDatabase } from "./migrate-harness.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
/** The one user of the calling side. */
export const USER = "alice-at-home";
/** How soon everything is as it should be once all runs again. */
export const SOON = { timeout: 20_000, interval: 100 };
/** How soon there is a list after its authority was away: a job makes it each minute, and a gateway looks for it every half. */
const PUBLISHED = { timeout: 100_000, interval: 250 };

/** Our certificate for a peer, with its key as it was sealed. */
interface Held extends Credentials {
  grantId: string;
  serial: string;
  rootPem: string;
}

/** Two sides, and what tests know of them that no kill may change. */
export interface KilledWorld {
  work: Side;
  home: Side;
  /** Who may have signed lists of revoked certificates, DER. */
  crlIssuers: () => Promise<Buffer[]>;
}

/** What is done to two sides that are killed, and what must hold of them afterwards. */
export interface Killing {
  sql<T extends object>(side: Side, text: string, values?: unknown[]): Promise<T[]>;
  /** A grant that is pending, with its URL. */
  newGrant(): Promise<{ grantId: string; url: string }>;
  /** A grant that home holds a certificate of. */
  enrolled(): Promise<string>;
  /** Home's certificate for a grant, and its key; undefined where it has none. */
  held(grantId: string): Promise<Held | undefined>;
  /** The code of a `list` by a certificate that home holds. */
  says(held: Held): Promise<string>;
  /** Has time pass for home's certificate, and a job look for what is due. */
  makeDue(grantId: string): Promise<void>;
  addJob(side: Side, task: string, key: string): Promise<void>;
  /** What must hold after whatever was killed, once everything runs. */
  expectLegal(): Promise<void>;
  /** Renews home's certificate to the end, and looks that it is the only one. */
  expectOneCertificate(grantId: string): Promise<void>;
}

/** Moments of something that takes so many ms, one in each of so many parts of it. */
export function moments(ms: number, count: number): number[] {
  return Array.from({ length: count }, (_, part) => ((part + Math.random()) * ms) / count);
}

/** Does a step, kills somebody so many ms after its beginning, and starts them again; whether the step said that it was done. */
export async function killedAfter(ms: number, victim: Killable, step: () => Promise<unknown>): Promise<boolean> {
  const doing = step().then(
    () => true,
    () => false,
  );
  await sleep(ms);
  await victim.kill();
  await victim.start();
  return doing;
}

export function killing({ work, home, crlIssuers }: KilledWorld): Killing {
  /** Every certificate that home held at any time, by serial. */
  const everHeld = new Map<string, Held>();
  const revokedBefore = new Set<string>();
  const numberBefore = new Map<string, number>();

  const sql = <T extends object>(side: Side, text: string, values: unknown[] = []): Promise<T[]> =>
    onDatabase(side.databaseUrl, async (client) => (await client.query(text, values)).rows as T[]);

  const allHeld = async (): Promise<Held[]> => {
    const rows = await sql<{
      id: string;
      grant_id: string;
      certificate_serial: string;
      certificate_chain_der: Buffer[];
      root_certificate_der: Buffer;
      sealed_key: Buffer;
    }>(home, "select * from federation.federation_peers");
    const keyring = loadKeyring(gatewayPaths(home.directory).sealKeys);
    return rows.map((row) => ({
      grantId: row.grant_id,
      serial: row.certificate_serial,
      certificate: row.certificate_chain_der.map((der) => derToPem(der, "CERTIFICATE")).join(""),
      key: derToPem(unseal(keyring, row.sealed_key, row.id), "PRIVATE KEY"),
      rootPem: derToPem(row.root_certificate_der, "CERTIFICATE"),
    }));
  };
  const says = async ({ rootPem: ca, ...credentials }: Held): Promise<string> => {
    const answer = await mtlsRequest({
      url: work.federationUrl,
      ca,
      ...credentials,
      body: { documentId: "list", variables: { resource: "tasks", first: 1 } },
    });
    return answer.code;
  };
  const publishedCrl = async (): Promise<{ issuer: string; number: number; serials: Set<string> }> => {
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    try {
      const { statusCode, body } = await request(`${work.publicUrl}/crl`, { dispatcher });
      const der = Buffer.from(await body.arrayBuffer());
      expect(statusCode).toBe(200);
      for (const issuerDer of await crlIssuers()) {
        try {
          const { number, revokedSerials: serials } = readCrl(der, issuerDer);
          return { issuer: issuerDer.toString("base64"), number, serials };
        } catch {
          // Another one has signed it.
        }
      }
      throw new Error("nobody who is known has signed the list");
    } finally {
      await dispatcher.close();
    }
  };

  const expectPublished = async (): Promise<void> => {
    const revoked = await sql<{ serial: string }>(
      work,
      "select serial from federation.federation_certificates where revoked_at is not null and not_after > now()",
    );
    const serials = revoked.map(({ serial }) => serial);
    // What was revoked before is revoked now.
    expect(serials).toEqual(expect.arrayContaining([...revokedBefore]));
    serials.forEach((serial) => revokedBefore.add(serial));
    const crl = await publishedCrl();
    expect([...crl.serials]).toEqual(expect.arrayContaining(serials));
    expect(crl.number).toBeGreaterThanOrEqual(numberBefore.get(crl.issuer) ?? 0);
    numberBefore.set(crl.issuer, crl.number);
  };
  const isLive = async ({ serial }: Held): Promise<boolean> => {
    const rows = await sql(
      work,
      `select from federation.federation_certificates c join federation.federation_grants g on g.id = c.grant_id
       where c.serial = $1 and c.revoked_at is null and g.status = 'active'`,
      [serial],
    );
    return rows.length === 1;
  };

  const held = async (grantId: string): Promise<Held | undefined> =>
    (await allHeld()).find((one) => one.grantId === grantId);
  const newGrant = (): Promise<{ grantId: string; url: string }> => createGrant(work.directory, "alice", SCOPE);
  const addJob = async (side: Side, task: string, key: string): Promise<void> => {
    await sql(side, "select graphile_worker.add_job($1, job_key => $2)", [task, key]);
  };
  const makeDue = async (grantId: string): Promise<void> => {
    await sql(
      home,
      `update federation.federation_peers
       set certificate_not_after = now() + interval '5 seconds', renewal_failed_at = renewal_failed_at - interval '1 day'
       where grant_id = $1`,
      [grantId],
    );
    await addJob(home, "peers__renew_due", "peers__renew_due");
  };

  return {
    sql,
    newGrant,
    held,
    says,
    addJob,
    makeDue,
    enrolled: async () => {
      const { grantId, url } = await newGrant();
      await addPeer(home.directory, USER, url);
      return grantId;
    },
    expectLegal: async () => {
      for (const side of [work, home]) {
        for (const command of [side.gateway, side.worker]) {
          expect(command.runs, command.log().slice(-2_000)).toBe(true);
        }
        const { chains, lost } = await verifyAudit(side.databaseUrl, []);
        expect([chains.filter(({ fault }) => fault !== null), lost]).toEqual([[], []]);
      }
      await vi.waitFor(expectPublished, PUBLISHED);
      for (const one of await allHeld()) {
        expect(new X509Certificate(one.certificate).checkPrivateKey(createPrivateKey(one.key))).toBe(true);
        everHeld.set(one.serial, one);
      }
      for (const one of everHeld.values()) {
        if (await isLive(one)) {
          await vi.waitFor(async () => {
            expect(await says(one)).toBe("OK");
          }, SOON);
        } else {
          expect(await says(one)).not.toBe("OK");
        }
      }
    },
    expectOneCertificate: async (grantId) => {
      await makeDue(grantId);
      const serial = await vi.waitFor(async () => {
        const [peer] = await sql<{ certificate_serial: string; state: string; good: boolean }>(
          home,
          `select certificate_serial, state, renewal_failures = 0 and certificate_not_after > now() + interval '1 day' as good
           from federation.federation_peers where grant_id = $1`,
          [grantId],
        );
        expect(peer).toMatchObject({ state: "active", good: true });
        return peer?.certificate_serial;
      }, SOON);
      await sql(work, "select federation.supersede_certificates('0 seconds')");
      const live = await sql<{ serial: string }>(
        work,
        "select serial from federation.federation_certificates where grant_id = $1 and revoked_at is null",
        [grantId],
      );
      expect(live).toEqual([{ serial }]);
      const one = await held(grantId);
      expect(one === undefined ? "none" : await says(one)).toBe("OK");
    },
  };
}
