import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPeerRenewals } from "../../src/client/peer-renewals.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { addPeer, createGrant, createToken } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld, HOME, WORK } from "../../src/demo/world.ts";
import { createLog } from "../../src/observability/log.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { onDatabase } from "../services/migrate-harness.ts";

const [ROTATIONS, REQUESTS, AT_ONCE] = [10, 20_000, 16];
const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const USER = "alice-at-home";

let server: PostgresServer;
let folder: string;
const served: GatewayProcess[] = [];

beforeAll(async () => {
  server = await startPostgresServer();
  folder = mkdtempSync(join(tmpdir(), "mosaic-renewal-"));
  for (const [name, world] of [
    ["work", WORK],
    ["home", HOME],
  ] as const) {
    await onDatabase(server.url("postgres"), (client) => client.query(`create database ${name}`));
    const [federation = 0, open = 0, home = 0] = await freePorts(3);
    await initGateway({
      directory: join(folder, name),
      config: {
        version: 2,
        tier: "standalone",
        host: `${name}.localhost`,
        listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
        federationUrl: `https://127.0.0.1:${federation}`,
        publicUrl: `https://127.0.0.1:${open}`,
        limits: { requestsPerMinute: 1_000_000 },
        // Every request of a local user is one of the peer.
        cache: { bytes: 0 },
      },
      databaseUrl: server.url(name),
      sample: true,
      log: () => undefined,
    });
    await fillWorld(server.url(name), world);
    served.push(await startGatewayProcess(MOSAIC, join(folder, name)));
  }
});
afterAll(async () => {
  await Promise.all(served.map((gateway) => gateway.stop()));
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("acceptance 5: ten renewals in a row under full load, each old certificate superseded at once, and no request of 20 000 fails", async () => {
  const [work, home] = [join(folder, "work"), join(folder, "home")];
  const { grantId, url } = await createGrant(work, "alice", SCOPE);
  await addPeer(home, USER, url);
  const { rows: peers } = await onDatabase(server.url("home"), (client) =>
    client.query<{ id: string }>("select id from federation.list_peers()"),
  );
  const renewals = createPeerRenewals({
    adminUrl: server.url("home"),
    keyring: () => loadKeyring(gatewayPaths(home).sealKeys),
    timeoutMs: 10_000,
    log: createLog("silent"),
  });
  const pool = new Pool(served[1]?.homeUrl ?? "", { connections: AT_ONCE });
  const authorization = `Bearer ${await createToken(home, USER)}`;
  const failures: unknown[] = [];
  let [said, rotations] = [0, 0];
  const ask = async (): Promise<void> => {
    while (said < REQUESTS || rotations < ROTATIONS) {
      said += 1;
      const { body } = await pool.request({
        method: "POST",
        path: "/graphql",
        headers: { "content-type": "application/json", authorization },
        body: JSON.stringify({
          query: `{ list(resource: "tasks", first: ${1 + (said % 50)}, source: "federated:work.localhost") { rows } }`,
        }),
      });
      const answer = (await body.json()) as { data: { list: { rows: unknown[] } | null } | null };
      if ((answer.data?.list?.rows.length ?? 0) === 0) {
        failures.push(answer);
      }
    }
  };
  const renew = async (): Promise<void> => {
    while (rotations < ROTATIONS) {
      const turn = ((rotations + 0.5) * REQUESTS) / ROTATIONS;
      while (said < turn) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await renewals.renew(peers[0]?.id ?? "", { now: true })).toMatchObject({ status: "renewed" });
      // Harder than the hour that it is: requests that are on their way with the old one are refused, and asked anew.
      await onDatabase(server.url("work"), (client) =>
        client.query("select federation.supersede_certificates('0 seconds')"),
      );
      rotations += 1;
    }
  };
  await Promise.all([renew(), ...Array.from({ length: AT_ONCE }, ask)]);
  await pool.close();

  expect(failures).toEqual([]);
  expect(said).toBeGreaterThanOrEqual(REQUESTS);
  const { rows } = await onDatabase(server.url("work"), (client) =>
    client.query<{ live: number; superseded: number }>(
      `select count(*) filter (where revoked_at is null)::int as live,
         count(*) filter (where revocation_reason = 'superseded')::int as superseded
       from federation.federation_certificates where grant_id = $1`,
      [grantId],
    ),
  );
  expect(rows).toEqual([{ live: 1, superseded: ROTATIONS }]);
}, 900_000);
