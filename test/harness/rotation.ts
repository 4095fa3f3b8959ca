import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { createToken } from "../../src/demo/actors.ts";
import type { TestGateway } from "./gateway.ts";

/** Which root signed the certificates that both listeners show to who trusts one root alone; those of another name, by their names. */
export async function servedBy(work: TestGateway, trustedPem: string): Promise<string[]> {
  return Promise.all(
    [work.gateway.federationUrl, work.gateway.publicUrl].map(
      (url) =>
        new Promise<string>((resolve, reject) => {
          const { hostname: host, port } = new URL(url);
          const socket = connect({ host, port: Number(port), ca: trustedPem }, () => {
            resolve(socket.getPeerX509Certificate()?.issuer ?? "");
            socket.destroy();
          });
          socket.on("error", reject);
        }),
    ),
  );
}
/** The name of a root, as certificates of it have it for their issuer's. */
export const nameOf = (rootPem: string): string => new X509Certificate(rootPem).subject;

/** Changes what is on record of certificates, which no trigger allows. */
async function rewriteCertificates(work: TestGateway, assignments: string): Promise<void> {
  await work.pool.query(
    `begin; alter table federation.federation_certificates disable trigger all;
     update federation.federation_certificates c set ${assignments};
     alter table federation.federation_certificates enable trigger all;
     alter table federation.federation_certificates enable always trigger _100_lifecycle;
     alter table federation.federation_certificates enable always trigger _110_lifecycle_truncate;
     commit`,
  );
}
/** Lets time pass for what the database says of roots, and has the gateway read it, as it does by itself every 30 seconds. */
export async function pass(work: TestGateway, time: string): Promise<void> {
  await work.pool.query("update federation.federation_authorities set created_at = created_at - $1::interval", [time]);
  await rewriteCertificates(work, `issued_at = issued_at - interval '${time}'`);
  await work.pool.query(`select federation.send_notice('{"authorities": true}')`);
}
/**
 * As if every certificate that counts as an older root's had ended. What was published as revoked stays on record till its end, so these
 * count as the newer root's.
 */
export async function endOlderCertificates(work: TestGateway): Promise<void> {
  const newer = "(select n from federation.list_authorities() n where n.retired_at is null limit 1)";
  const isOlder = `(c.authority_id <> (${newer}).id or c.issued_at < (${newer}).created_at + interval '30 minutes')`;
  await rewriteCertificates(
    work,
    `
    not_before = case when ${isOlder} and c.revoked_at is null then now() - interval '26 hours' else c.not_before end,
    not_after = case when ${isOlder} and c.revoked_at is null then now() - interval '25 hours' else c.not_after end,
    issued_at = now(), authority_id = (${newer}).id`,
  );
}
/** Queries that a local user sends one after the other. */
export interface Stream {
  /** Ends it. `failed` has the codes of those that brought no row. */
  end(): Promise<{ asked: number; failed: string[] }>;
}

/** Asks the peer over and over until it is ended, and tells of each answer that was no page with rows. */
export async function streamOf(home: TestGateway, user: string): Promise<Stream> {
  const token = await createToken(home.directory, user);
  let [asked, isEnding] = [0, false];
  const failed: string[] = [];
  const askOnce = async (): Promise<void> => {
    asked += 1;
    const answer = await fetch(`${home.gateway.homeUrl}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query: `{ list(resource: "tasks", first: ${(asked % 40) + 1}, source: "federated:work.localhost") { rows } }`,
      }),
    });
    const body = (await answer.json()) as {
      data?: { list?: { rows: unknown[] } | null } | null;
      errors?: { extensions: { code: string } }[];
    };
    if ((body.data?.list?.rows.length ?? 0) === 0) {
      failed.push(body.errors?.[0]?.extensions.code ?? "no rows");
    }
  };
  const running = Promise.all(
    [0, 1].map(async () => {
      do {
        await askOnce();
        // Commands of the test are processes of their own, which want a core, too.
        await sleep(20);
      } while (!isEnding);
    }),
  );
  return {
    end: async () => {
      isEnding = true;
      await running;
      return { asked, failed };
    },
  };
}
/** `OK` where the peer answers with rows, else the code of the failure. */
export async function codeOfQuery(home: TestGateway, user: string): Promise<string> {
  const stream = await streamOf(home, user);
  const { failed } = await stream.end();
  return failed[0] ?? "OK";
}
