import { Agent, Pool } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { derToPem } from "../../src/pki/der.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

const USERS = ["u1", "u2", "u3", "u4", "u5"];
const ROWS_EACH = 20;
const REQUESTS = 200;

let work: TestGateway;
let home: TestGateway;

beforeAll(async () => {
  const world = {
    users: USERS.map((id) => ({ id, name: id, email: `${id}@work.example` })),
    teams: [],
    memberships: [],
    tasks: USERS.flatMap((owner_id) =>
      Array.from({ length: ROWS_EACH }, (_, index) => ({ title: `${owner_id} ${index}`, owner_id, team_id: null })),
    ),
    notes: [],
    credentials: [],
  };
  const nobody = {
    users: [{ id: "h", name: "h", email: "h@home.example" }],
    teams: [],
    memberships: [],
    tasks: [],
    notes: [],
    credentials: [],
  };
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", world, { limits: { requestsPerMinute: 100_000, databaseConnections: 4 } }),
    openTestGateway("home.localhost", nobody),
  ]);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

test("acceptance 19: 200 concurrent requests of five grants, mixed with errors and aborts, bring no row of another grant", async () => {
  const grants = await Promise.all(
    USERS.map(async (subject) =>
      enrollGrant(work, home, subject, "h", { resources: ["tasks"], include_personal: true }),
    ),
  );
  const pools = grants.map(({ enrolled }) => {
    const { certificate: cert, key } = credentialsOf(enrolled);
    const ca = derToPem(enrolled.rootDer, "CERTIFICATE");
    return new Pool(work.gateway.federationUrl, { connections: 3, connect: { ca, cert, key } });
  });
  const counts = { rows: 0, refused: 0, aborted: 0 };
  const foreign: string[] = [];

  await Promise.all(
    Array.from({ length: REQUESTS }, async (_, index) => {
      const who = index % USERS.length;
      const kind = Math.floor(index / USERS.length) % 5;
      const abort = new AbortController();
      const variables =
        kind === 1
          ? { resource: "notes" }
          : kind === 2
            ? { resource: "tasks", filter: { created_at: { eq: "no time" } } }
            : { resource: "tasks", first: 50, order: [{ column: "title" }] };
      if (kind === 3) {
        setTimeout(() => {
          abort.abort();
        }, index % 40);
      }
      try {
        const pool = pools[who] ?? raise();
        const { statusCode, body } = await pool.request({
          method: "POST",
          path: "/federation",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ documentId: "list", variables }),
          signal: abort.signal,
        });
        const answer = (await body.json()) as { data?: { list: { rows: { owner_id: string }[] } } };
        if (statusCode === 200) {
          const owners = (answer.data?.list.rows ?? []).map(({ owner_id }) => owner_id);
          counts.rows += owners.length;
          foreign.push(...owners.filter((owner) => owner !== USERS[who]));
          expect(owners).toHaveLength(ROWS_EACH);
        } else {
          counts.refused += 1;
          expect([400, 403]).toContain(statusCode);
        }
      } catch (error) {
        expect(abort.signal.aborted, String(error)).toBe(true);
        counts.aborted += 1;
      }
    }),
  );
  await Promise.all(pools.map((pool) => pool.close()));

  expect(foreign).toEqual([]);
  expect(counts.rows).toBeGreaterThan(ROWS_EACH * REQUESTS * 0.35);
  expect(counts.refused).toBe(REQUESTS * 0.4);
  expect(counts.aborted).toBeGreaterThan(0);
  // Everyone still gets exactly their own.
  for (const [who, pool] of grants.entries()) {
    const agent = new Agent({
      connect: { ca: derToPem(pool.enrolled.rootDer, "CERTIFICATE"), ...renamed(credentialsOf(pool.enrolled)) },
    });
    const { body } = await agent.request({
      origin: work.gateway.federationUrl,
      method: "POST",
      path: "/federation",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ documentId: "list", variables: { resource: "tasks", first: 100 } }),
    });
    const answer = (await body.json()) as { data: { list: { rows: { owner_id: string }[] } } };
    expect(new Set(answer.data.list.rows.map(({ owner_id }) => owner_id))).toEqual(new Set([USERS[who]]));
    await agent.close();
  }
});

function renamed({ certificate, key }: { certificate: string; key: string }): { cert: string; key: string } {
  return { cert: certificate, key };
}

function raise(): never {
  throw new Error("there is a pool for each grant");
}
