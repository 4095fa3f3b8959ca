import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, Client, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { createGrant, createToken, credentialsOf, listTasks } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import type { MtlsAnswer } from "../../src/demo/mtls-request.ts";
import { fillWorld, WORK } from "../../src/demo/world.ts";
import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { initGateway } from "../../src/setup/init.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { onDatabase } from "./migrate-harness.ts";
import { serve } from "./processes.ts";
import type { Served } from "./processes.ts";

const { postgres, valkey, stepCa } = readDescription(layoutOf(process.env).description) ?? {};
if (postgres === undefined || valkey === undefined || stepCa === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}
const ca = readFileSync(stepCa.rootFile, "utf8");
const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
/** Requests of one grant in a minute: each test has a grant of its own. */
const LIMIT = 20;

let folder: string;
let directories: string[];
let gateways: Served[];
let databaseUrl: string;
let proxy: { port: number; open: () => Promise<void>; close: () => Promise<void> };
const name = `several_${randomBytes(6).toString("hex")}`;

/** What is between the gateways and Valkey. */
async function openProxy(): Promise<typeof proxy> {
  const sockets = new Set<Socket>();
  const target = new URL(valkey?.url ?? "");
  let server: Server | undefined;
  let port = 0;
  const open = async (): Promise<void> => {
    server = createServer((socket) => {
      const onward = connect({ host: target.hostname, port: Number(target.port) });
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy()).on("close", () => sockets.delete(from));
      }
    });
    await new Promise<void>((resolve) => server?.listen(port, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  };
  await open();
  return {
    port,
    open,
    close: async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server?.close(resolve));
    },
  };
}

const start = (directory: string): Promise<Served> =>
  serve(directory, {
    MOSAIC_LIMITS_REQUESTS_PER_MINUTE: String(LIMIT),
    MOSAIC_VALKEY_URL: Object.assign(new URL(valkey.url), { port: String(proxy.port) }).href,
  });
const admin = <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
  onDatabase(databaseUrl, async (client) => (await client.query<T>(sql, values)).rows);
const at = (index: number): Served => {
  const gateway = gateways[index % gateways.length];
  if (gateway === undefined) {
    throw new Error("no gateway runs");
  }
  return gateway;
};

interface Enrolled extends Credentials {
  grantId: string;
}

/** A new grant, enrolled at one of the gateways. */
async function newGrant(subject: string, gateway = 0): Promise<Enrolled> {
  const { grantId, url } = await createGrant(directories[0] ?? "", subject, SCOPE);
  const parsed = parseEnrollmentUrl(url);
  return { grantId, ...credentialsOf(await enroll({ ...parsed, publicUrl: at(gateway).publicUrl }, 10_000)) };
}
const say = (gateway: Served, grant: Credentials, documentId: string, variables: unknown = {}): Promise<MtlsAnswer> =>
  mtlsRequest({ url: gateway.federationUrl, ca, ...grant, body: { documentId, variables } });
const pageOf = (answer: MtlsAnswer): { rows: { id: string }[]; nextCursor: string | null } =>
  (answer.body as { data: { list: { rows: { id: string }[]; nextCursor: string | null } } }).data.list;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-several-"));
  proxy = await openProxy();
  await onDatabase(postgres.url, (client) => client.query(`create database ${name}`));
  databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
  const first = join(folder, "first");
  await initGateway({
    directory: first,
    config: {
      version: 2,
      tier: "federated",
      host: "work.localhost",
      stepCa: { url: stepCa.url, rootFile: "step-ca-root.pem", provisioner: stepCa.provisioner },
    },
    databaseUrl,
    services: { valkeyUrl: valkey.url, stepCaRoot: ca, stepCaKey: readFileSync(stepCa.keyFile, "utf8") },
    sample: true,
    log: () => undefined,
  });
  await fillWorld(databaseUrl, WORK);
  // Another gateway of the same database: its own directory, the same configuration, the same secrets.
  const others = ["second", "third"].map((other) => {
    const directory = join(folder, other);
    mkdirSync(directory, { mode: 0o700 });
    for (const file of ["mosaic.config.json", "step-ca-root.pem"]) {
      cpSync(join(first, file), join(directory, file));
    }
    symlinkSync(join(first, "secrets"), join(directory, "secrets"));
    return directory;
  });
  directories = [first, ...others];
});
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await proxy.close();
  await onDatabase(postgres.url, (client) => client.query(`drop database ${name} with (force)`));
  rmSync(folder, { recursive: true, force: true });
});

describe("three gateways on one database", () => {
  test("that start at once where sql/ is of another release apply it once, and all serve", async () => {
    await admin("update federation.federation_settings set value = 'of another release' where name = 'sql_hash'");
    gateways = await Promise.all(directories.map(start));
    const applied = gateways.filter((gateway) => gateway.log().includes("functions, policies and triggers applied"));
    expect(applied).toHaveLength(1);
    expect(gateways.filter((gateway) => /"level":(40|50|60)/.test(gateway.log()))).toEqual([]);
    const authorities = await admin("select kind from federation.federation_authorities");
    expect(authorities).toEqual([{ kind: "step-ca" }]);
  });

  test("spend an enrollment token once, however they are raced", async () => {
    const { url } = await createGrant(directories[0] ?? "", "alice", SCOPE);
    const { token } = parseEnrollmentUrl(url);
    const dispatcher = new Agent({ connect: { ca } });
    const answers = await Promise.all(
      [0, 1, 2, 0, 1, 2].map(async (index) => {
        const csr = createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "" });
        const answer = await request(`${at(index).publicUrl}/enroll`, {
          method: "POST",
          dispatcher,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ token, csr }),
        });
        await answer.body.dump();
        return answer.statusCode;
      }),
    );
    await dispatcher.close();
    expect(answers.toSorted()).toEqual([201, 410, 410, 410, 410, 410]);
  });

  test("continue each other's cursors, and refuse those of another grant", async () => {
    const [alice, bob] = [await newGrant("alice", 0), await newGrant("bob", 1)];
    const whole = pageOf(await say(at(0), alice, "list", { resource: "tasks" })).rows.map(({ id }) => id);
    expect(whole.length).toBeGreaterThan(2);
    const ids: string[] = [];
    let after: string | null = null;
    for (let index = 0; index < whole.length; index += 1) {
      const answer = await say(at(index), alice, "list", {
        resource: "tasks",
        first: 1,
        ...(after === null ? {} : { after }),
      });
      const page = pageOf(answer);
      ids.push(...page.rows.map(({ id }) => id));
      after = page.nextCursor ?? after;
    }
    expect(ids).toEqual(whole);
    const stolen = await say(at(2), bob, "list", { resource: "tasks", first: 1, after });
    expect([stolen.status, stolen.code]).toEqual([400, "BAD_REQUEST"]);
  });

  test("refuse a revoked grant from the next request on, on connections that are open", async () => {
    const grant = await newGrant("alice", 2);
    const clients = gateways.map(
      ({ federationUrl }) => new Client(federationUrl, { connect: { ca, cert: grant.certificate, key: grant.key } }),
    );
    const ask = (): Promise<number[]> =>
      Promise.all(
        clients.map(async (client) => {
          const { statusCode, body } = await client.request({
            method: "POST",
            path: "/federation",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ documentId: "list", variables: { resource: "tasks" } }),
          });
          await body.dump();
          return statusCode;
        }),
      );
    expect(await ask()).toEqual([200, 200, 200]);
    await admin("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    expect(await ask()).toEqual([403, 403, 403]);
    await Promise.all(clients.map((client) => client.destroy()));
  });

  /** Says `count` verbs, turn by turn; how many were served and how many refused for want of a token. */
  async function spend(grant: Credentials, count: number): Promise<{ served: number; limited: number }> {
    const codes: string[] = [];
    for (let index = 0; index < count; index += 1) {
      codes.push((await say(at(index), grant, "capabilities")).code);
    }
    return {
      served: codes.filter((code) => code === "OK").length,
      limited: codes.filter((code) => code === "RATE_LIMITED").length,
    };
  }

  test("give a grant its requests once, not three times", async () => {
    expect(await spend(await newGrant("alice"), 2 * LIMIT)).toEqual({ served: LIMIT, limited: LIMIT });
  });

  test("follow a limit that an administrator changes, all of them at once", async () => {
    const grant = await newGrant("alice");
    expect(await spend(grant, LIMIT + 3)).toEqual({ served: LIMIT, limited: 3 });
    const changed = await runMosaic(
      ["federation", "grant", "limit", grant.grantId, "--per-minute", "600", "--dir", directories[1] ?? ""],
      "",
      { MOSAIC_VALKEY_URL: valkey.url },
    );
    expect(changed.code).toBe(0);
    const codes = await Promise.all([0, 1, 2].map(async (index) => (await say(at(index), grant, "capabilities")).code));
    expect(codes).toEqual(["OK", "OK", "OK"]);
    expect(await spend(grant, 10 * LIMIT)).toEqual({ served: 10 * LIMIT, limited: 0 });
  });

  test("each count by themselves while Valkey is away, say so, serve nothing without a token, and share again", async () => {
    const alerts = (): Promise<{ code: string }[]> =>
      admin("select code from federation.federation_alerts where code = 'VALKEY_AWAY' and resolved_at is null");
    const grant = await newGrant("alice");
    expect(await alerts()).toEqual([]);
    await proxy.close();
    expect(await spend(grant, 4 * LIMIT)).toEqual({ served: 3 * LIMIT, limited: LIMIT });
    expect(await alerts()).toHaveLength(3);
    await proxy.open();
    const back = (): boolean => gateways.every((gateway) => gateway.log().includes("Valkey is back"));
    for (let tries = 0; !back() && tries < 200; tries += 1) {
      await sleep(100);
    }
    await sleep(500);
    expect(await alerts()).toEqual([]);
    expect(await spend(await newGrant("alice"), 2 * LIMIT)).toEqual({ served: LIMIT, limited: LIMIT });
  });

  test("know a local user's token, whoever made it, and a sealing key that was rotated", async () => {
    const token = await createToken(directories[1] ?? "", "alice");
    for (const { homeUrl } of gateways) {
      expect((await listTasks(homeUrl, token, "local")).rows.length).toBeGreaterThan(0);
    }
    expect((await runMosaic(["seal", "rotate", "--dir", directories[2] ?? "", "--json"])).code).toBe(0);
    for (const directory of directories) {
      expect((await runMosaic(["doctor", "--dir", directory, "--json"])).code).toBe(0);
    }
  });

  test("go on when one is killed, which starts again on its directory", async () => {
    const grant = await newGrant("bob");
    at(2).child.kill("SIGKILL");
    for (const index of [0, 1, 0, 1]) {
      expect((await say(at(index), grant, "list", { resource: "tasks" })).status).toBe(200);
    }
    gateways[2] = await start(directories[2] ?? "");
    expect((await say(at(2), grant, "list", { resource: "tasks" })).status).toBe(200);
  });

  test("put every one of 100 000 requests of 50 grants into the log, each under its own grant, in chains that hold", async () => {
    const [GRANTS, REQUESTS] = [50, 2_000];
    const grants: Enrolled[] = [];
    for (let index = 0; index < GRANTS; index += 1) {
      grants.push(await newGrant(["alice", "bob", "carol"][index % 3] ?? "", index));
    }
    await admin("select federation.set_grant_limits(id::uuid, 1000000, null) from unnest($1::text[]) as g (id)", [
      grants.map(({ grantId }) => grantId),
    ]);
    const said = await Promise.all(
      grants.map(async (grant, index) => {
        const client = new Client(at(index).federationUrl, {
          connect: { ca, cert: grant.certificate, key: grant.key },
        });
        const ids: string[] = [];
        for (let count = 0; count < REQUESTS; count += 1) {
          const { statusCode, headers, body } = await client.request({
            method: "POST",
            path: "/federation",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(
              count % 2 === 0
                ? { documentId: "capabilities" }
                : { documentId: "list", variables: { resource: "tasks", first: 1 } },
            ),
          });
          await body.dump();
          expect(statusCode).toBe(200);
          ids.push(String(headers["x-request-id"]));
        }
        await client.destroy();
        return ids;
      }),
    );
    await sleep(1_000);
    for (const [index, { grantId }] of grants.entries()) {
      const rows = await admin<{ request_id: string; outcome: string }>(
        "select request_id, outcome from federation.federation_audit_log where grant_id = $1 and verb in ('capabilities', 'list') order by request_id",
        [grantId],
      );
      expect(rows.every(({ outcome }) => outcome === "served")).toBe(true);
      expect(rows.map(({ request_id }) => request_id)).toEqual((said[index] ?? []).toSorted());
    }
    expect(await admin("select * from federation.verify_audit() where fault is not null")).toEqual([]);
  }, 1_500_000);

  test("leave a row in the one audit log for every request of each", async () => {
    const grant = await newGrant("carol");
    for (let index = 0; index < 9; index += 1) {
      expect((await say(at(index), grant, "list", { resource: "tasks" })).status).toBe(200);
    }
    const codes = await Promise.all(gateways.map((gateway) => gateway.stop()));
    expect(codes).toEqual([0, 0, 0]);
    const [row] = await admin<{ count: string }>(
      "select count(*) from federation.list_audit($1, 1000) where verb = 'list' and outcome = 'served'",
      [grant.grantId],
    );
    expect(Number(row?.count)).toBe(9);
  });
});

test("a release that does not know the database's migrations does not start on it", async () => {
  await admin(
    "insert into graphile_migrate.migrations (hash, previous_hash, filename) select 'sha1:later', hash, '009999-later.sql' from graphile_migrate.migrations order by filename desc limit 1",
  );
  const { code, stderr } = await runMosaic(["serve", "--dir", directories[0] ?? "", "--json"]);
  expect(code).toBe(78);
  expect(stderr).toContain("009999-later.sql");
});
