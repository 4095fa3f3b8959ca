import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { Client } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordGrant } from "../harness/record-grant.ts";
import { openIntermediate } from "../harness/signer.ts";
import { serve } from "../services/processes.ts";
import { ca, layOutSeveral, say, SCOPE } from "../services/several.ts";
import type { Enrolled, SeveralGateways } from "../services/several.ts";

const [ROUNDS, LANES, LONGEST_WAIT_MS] = [1_000, 4, 25];

let several: SeveralGateways;
let database: Pool;
beforeAll(async () => {
  several = await layOutSeveral();
  several.gateways.push(...(await Promise.all(several.directories.map((directory) => serve(directory)))));
  database = new Pool({ connectionString: several.databaseUrl, max: LANES });
});
afterAll(async () => {
  await database.end();
  await several.remove();
});

const newGrant = (): Promise<Enrolled> => recordGrant(database, openIntermediate(), "alice", SCOPE);

/** What a stream of requests of one grant at one gateway met. */
interface Stream {
  /** When each answer with rows was asked for. */
  servedAt: number[];
  closedAt: number;
}

/** Asks again and again, until it is refused; `onServed` is told of each answer. */
async function stream(grant: Enrolled, url: string, onServed: () => void): Promise<Stream> {
  const client = new Client(url, { connect: { ca, cert: grant.certificate, key: grant.key } });
  const servedAt: number[] = [];
  try {
    for (;;) {
      const sentAt = performance.now();
      const { statusCode, body } = await client.request({
        method: "POST",
        path: "/federation",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ documentId: "list", variables: { resource: "tasks", first: 2 } }),
      });
      const text = await body.text();
      if (statusCode !== 200) {
        expect([statusCode, text]).toEqual([403, expect.stringMatching(/"code":"(GRANT|CERTIFICATE)_REVOKED"/)]);
        break;
      }
      servedAt.push(sentAt);
      onServed();
    }
  } catch (error) {
    // The connection was ended by the gateway.
    expect(error).toMatchObject({ code: expect.stringMatching(/^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/) as unknown });
  } finally {
    await client.destroy();
  }
  return { servedAt, closedAt: performance.now() };
}

test(`acceptance 8: in ${ROUNDS} rounds of a revocation against requests at three gateways, nothing that was asked after its commit brought a row`, async () => {
  let served = 0;
  const closedAfterMs: number[] = [];
  const round = async (): Promise<void> => {
    const grant = await newGrant();
    const begun = several.gateways.map(() => Promise.withResolvers<undefined>());
    const streams = several.gateways.map((gateway, index) =>
      stream(grant, gateway.federationUrl, () => begun[index]?.resolve(undefined)),
    );
    await Promise.all(begun.map(({ promise }) => promise));
    await sleep(Math.random() * LONGEST_WAIT_MS);
    await database.query("select federation.revoke_grant($1, 'race')", [grant.grantId]);
    const committedAt = performance.now();
    for (const { servedAt, closedAt } of await Promise.all(streams)) {
      served += servedAt.length;
      expect(servedAt.filter((sentAt) => sentAt > committedAt)).toEqual([]);
      closedAfterMs.push(closedAt - committedAt);
    }
  };
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      for (let count = 0; count < ROUNDS / LANES; count += 1) {
        await round();
      }
    }),
  );
  // There was something to be cut off.
  expect(served).toBeGreaterThan(ROUNDS);
  const sorted = closedAfterMs.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  console.log(
    `${served} served; streams ended after the commit: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
  );
  // Every gateway knows it, each by itself.
  const last = await newGrant();
  await database.query("select federation.revoke_grant($1, 'race')", [last.grantId]);
  await sleep(500);
  for (const gateway of several.gateways) {
    expect((await say(gateway, last, "capabilities")).code).toBe("TLS_REFUSED");
  }
}, 900_000);
