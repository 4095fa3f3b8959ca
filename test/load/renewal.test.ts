import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { createPeerRenewals } from "../../src/client/peer-renewals.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { addPeer, createGrant, createToken } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld, HOME, WORK } from "../../src/demo/world.ts";
import { createLog } from "../../src/observability/log.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import type { FederatedServices } from "../../src/setup/federated-services.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import { onDatabase } from "../services/migrate-harness.ts";

const [ROTATIONS, REQUESTS, AT_ONCE] = [10, 20_000, 16];
const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const USER = "alice-at-home";

/** Where two gateways stand: their databases, and what tier `federated` needs beside them. */
interface Ground {
  url: (database: string) => string;
  services?: FederatedServices;
  stepCa?: NonNullable<ConfigInput["stepCa"]>;
  leave: () => Promise<void>;
}

/** A PostgreSQL of its own; each gateway is its own authority. */
async function embeddedAuthority(): Promise<Ground> {
  const server = await startPostgresServer();
  return { url: (database) => server.url(database), leave: () => server.stop() };
}

/** The services that run: PostgreSQL, Valkey, and step-ca as the authority of both. */
function stepCaAuthority(): Ground {
  const { postgres, valkey, stepCa } = readDescription(layoutOf(process.env).description) ?? {};
  if (postgres === undefined || valkey === undefined || stepCa === undefined) {
    throw new Error("the services do not run; start them with: npm run services:up");
  }
  const run = randomBytes(6).toString("hex");
  const nameOf = (database: string): string => (database === "postgres" ? database : `renewal_${database}_${run}`);
  const url = (database: string): string =>
    Object.assign(new URL(postgres.url), { pathname: `/${nameOf(database)}` }).href;
  return {
    url,
    services: {
      valkeyUrl: valkey.url,
      stepCaRoot: readFileSync(stepCa.rootFile, "utf8"),
      stepCaKey: readFileSync(stepCa.keyFile, "utf8"),
    },
    stepCa: { url: stepCa.url, rootFile: "step-ca-root.pem", provisioner: stepCa.provisioner },
    leave: async () => {
      for (const name of ["work", "home"]) {
        await onDatabase(url("postgres"), (client) => client.query(`drop database ${nameOf(name)} with (force)`));
      }
    },
  };
}

describe.each([
  ["the embedded authority", embeddedAuthority],
  ["step-ca", stepCaAuthority],
] as const)("by %s", (_, open) => {
  let ground: Ground;
  let folder: string;
  const served: GatewayProcess[] = [];

  beforeAll(async () => {
    ground = await open();
    folder = mkdtempSync(join(tmpdir(), "mosaic-renewal-"));
    for (const [name, world] of [
      ["work", WORK],
      ["home", HOME],
    ] as const) {
      const databaseUrl = ground.url(name);
      const { pathname } = new URL(databaseUrl);
      await onDatabase(ground.url("postgres"), (client) => client.query(`create database ${pathname.slice(1)}`));
      const [federation = 0, open = 0, home = 0] = await freePorts(3);
      await initGateway({
        directory: join(folder, name),
        config: {
          version: 2,
          tier: ground.services === undefined ? "standalone" : "federated",
          host: `${name}.localhost`,
          listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
          federationUrl: `https://127.0.0.1:${federation}`,
          publicUrl: `https://127.0.0.1:${open}`,
          limits: { requestsPerMinute: 1_000_000 },
          // Every request of a local user is one of the peer.
          cache: { bytes: 0 },
          ...(ground.stepCa === undefined ? {} : { stepCa: ground.stepCa }),
        },
        databaseUrl,
        ...(ground.services === undefined ? {} : { services: ground.services }),
        sample: true,
        log: () => undefined,
      });
      await fillWorld(databaseUrl, world);
      served.push(await startGatewayProcess(MOSAIC, join(folder, name)));
    }
  });
  afterAll(async () => {
    await Promise.all(served.map((gateway) => gateway.stop()));
    await ground.leave();
    rmSync(folder, { recursive: true, force: true });
  });

  test("acceptance 5: ten renewals in a row under full load, each old certificate superseded at once, and no request of 20 000 fails", async () => {
    const [work, home] = [join(folder, "work"), join(folder, "home")];
    const { grantId, url } = await createGrant(work, "alice", SCOPE);
    await addPeer(home, USER, url);
    const { rows: peers } = await onDatabase(ground.url("home"), (client) =>
      client.query<{ id: string }>("select id from federation.list_peers()"),
    );
    const renewals = createPeerRenewals({
      adminUrl: ground.url("home"),
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
        await onDatabase(ground.url("work"), (client) =>
          client.query("select federation.supersede_certificates('0 seconds')"),
        );
        rotations += 1;
      }
    };
    await Promise.all([renew(), ...Array.from({ length: AT_ONCE }, ask)]);
    await pool.close();

    expect(failures).toEqual([]);
    expect(said).toBeGreaterThanOrEqual(REQUESTS);
    const { rows } = await onDatabase(ground.url("work"), (client) =>
      client.query<{ live: number; superseded: number }>(
        `select count(*) filter (where revoked_at is null)::int as live,
         count(*) filter (where revocation_reason = 'superseded')::int as superseded
       from federation.federation_certificates where grant_id = $1`,
        [grantId],
      ),
    );
    expect(rows).toEqual([{ live: 1, superseded: ROTATIONS }]);
  }, 900_000);
});
