import { setTimeout as sleep } from "node:timers/promises";
import { Agent, Client, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { createGrant, createToken, listTasks } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import type { MtlsAnswer } from "../../src/demo/mtls-request.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { serve } from "./processes.ts";
import type { Served } from "./processes.ts";
import { openProxy } from "./proxy.ts";
import type { Proxy } from "./proxy.ts";
import { ca, layOutSeveral, say, SCOPE } from "./several.ts";
import type { SeveralGateways } from "./several.ts";

const { valkey } = readDescription(layoutOf(process.env).description) ?? {};
if (valkey === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}
/** Requests of one grant in a minute: each test has a grant of its own. */
const LIMIT = 20;

let several: SeveralGateways;
let proxy: Proxy;

const start = (directory: string): Promise<Served> =>
  serve(directory, {
    MOSAIC_LIMITS_REQUESTS_PER_MINUTE: String(LIMIT),
    MOSAIC_VALKEY_URL: Object.assign(new URL(valkey.url), { port: String(proxy.port) }).href,
  });

beforeAll(async () => {
  proxy = await openProxy(new URL(valkey.url));
  several = await layOutSeveral();
});
afterAll(async () => {
  await several.remove();
  await proxy.close();
});

const pageOf = (answer: MtlsAnswer): { rows: { id: string }[]; nextCursor: string | null } =>
  (answer.body as { data: { list: { rows: { id: string }[]; nextCursor: string | null } } }).data.list;

describe("three gateways on one database", () => {
  test("that start at once where sql/ is of another release apply it once, and all serve", async () => {
    await several.admin(
      "update federation.federation_settings set value = 'of another release' where name = 'sql_hash'",
    );
    several.gateways.push(...(await Promise.all(several.directories.map(start))));
    const applied = several.gateways.filter((gateway) =>
      gateway.log().includes("functions, policies and triggers applied"),
    );
    expect(applied).toHaveLength(1);
    expect(several.gateways.filter((gateway) => /"level":(40|50|60)/.test(gateway.log()))).toEqual([]);
    const authorities = await several.admin("select kind from federation.federation_authorities");
    expect(authorities).toEqual([{ kind: "step-ca" }]);
  });

  test("spend an enrollment token once, however they are raced", async () => {
    const { url } = await createGrant(several.directories[0] ?? "", "alice", SCOPE);
    const { token } = parseEnrollmentUrl(url);
    const dispatcher = new Agent({ connect: { ca } });
    const answers = await Promise.all(
      [0, 1, 2, 0, 1, 2].map(async (index) => {
        const csr = createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "" });
        const answer = await request(`${several.at(index).publicUrl}/enroll`, {
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
    const [alice, bob] = [await several.newGrant("alice", 0), await several.newGrant("bob", 1)];
    const whole = pageOf(await say(several.at(0), alice, "list", { resource: "tasks" })).rows.map(({ id }) => id);
    expect(whole.length).toBeGreaterThan(2);
    const ids: string[] = [];
    let after: string | null = null;
    for (let index = 0; index < whole.length; index += 1) {
      const answer = await say(several.at(index), alice, "list", {
        resource: "tasks",
        first: 1,
        ...(after === null ? {} : { after }),
      });
      const page = pageOf(answer);
      ids.push(...page.rows.map(({ id }) => id));
      after = page.nextCursor ?? after;
    }
    expect(ids).toEqual(whole);
    const stolen = await say(several.at(2), bob, "list", { resource: "tasks", first: 1, after });
    expect([stolen.status, stolen.code]).toEqual([400, "BAD_REQUEST"]);
  });

  test("refuse a revoked grant from the next request on, on connections that are open", async () => {
    const grant = await several.newGrant("alice", 2);
    const clients = several.gateways.map(
      ({ federationUrl }) => new Client(federationUrl, { connect: { ca, cert: grant.certificate, key: grant.key } }),
    );
    const askOf = async (client: Client): Promise<number> => {
      const { statusCode, body } = await client.request({
        method: "POST",
        path: "/federation",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ documentId: "list", variables: { resource: "tasks" } }),
      });
      await body.dump();
      return statusCode;
    };
    expect(await Promise.all(clients.map(askOf))).toEqual([200, 200, 200]);
    await several.admin("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    // Each refuses, or has ended the connection by then.
    const refused = await Promise.allSettled(clients.map(askOf));
    for (const answer of refused) {
      expect(answer.status === "rejected" ? 403 : answer.value).toBe(403);
    }
    await Promise.all(clients.map((client) => client.destroy()));
  });

  /** Says `count` verbs, turn by turn; how many were served and how many refused for want of a token. */
  async function spend(grant: Credentials, count: number): Promise<{ served: number; limited: number }> {
    const codes: string[] = [];
    for (let index = 0; index < count; index += 1) {
      codes.push((await say(several.at(index), grant, "capabilities")).code);
    }
    return {
      served: codes.filter((code) => code === "OK").length,
      limited: codes.filter((code) => code === "RATE_LIMITED").length,
    };
  }

  test("give a grant its requests once, not three times", async () => {
    expect(await spend(await several.newGrant("alice"), 2 * LIMIT)).toEqual({ served: LIMIT, limited: LIMIT });
  });

  test("follow a limit that an administrator changes, all of them at once", async () => {
    const grant = await several.newGrant("alice");
    expect(await spend(grant, LIMIT + 3)).toEqual({ served: LIMIT, limited: 3 });
    const changed = await runMosaic(
      ["federation", "grant", "limit", grant.grantId, "--per-minute", "600", "--dir", several.directories[1] ?? ""],
      "",
      { MOSAIC_VALKEY_URL: valkey.url },
    );
    expect(changed.code).toBe(0);
    const codes = await Promise.all(
      [0, 1, 2].map(async (index) => (await say(several.at(index), grant, "capabilities")).code),
    );
    expect(codes).toEqual(["OK", "OK", "OK"]);
    expect(await spend(grant, 10 * LIMIT)).toEqual({ served: 10 * LIMIT, limited: 0 });
  });

  test("each count by themselves while Valkey is away, say so, serve nothing without a token, and share again", async () => {
    const alerts = (): Promise<{ code: string }[]> =>
      several.admin("select code from federation.federation_alerts where code = 'VALKEY_AWAY' and resolved_at is null");
    const grant = await several.newGrant("alice");
    expect(await alerts()).toEqual([]);
    await proxy.close();
    expect(await spend(grant, 4 * LIMIT)).toEqual({ served: 3 * LIMIT, limited: LIMIT });
    expect(await alerts()).toHaveLength(3);
    await proxy.open();
    const back = (): boolean => several.gateways.every((gateway) => gateway.log().includes("Valkey is back"));
    for (let tries = 0; !back() && tries < 200; tries += 1) {
      await sleep(100);
    }
    await sleep(500);
    expect(await alerts()).toEqual([]);
    expect(await spend(await several.newGrant("alice"), 2 * LIMIT)).toEqual({ served: LIMIT, limited: LIMIT });
  });

  test("know a local user's token, whoever made it, and a sealing key that was rotated", async () => {
    const token = await createToken(several.directories[1] ?? "", "alice");
    for (const { homeUrl } of several.gateways) {
      expect((await listTasks(homeUrl, token, "local")).rows.length).toBeGreaterThan(0);
    }
    expect((await runMosaic(["seal", "rotate", "--dir", several.directories[2] ?? "", "--json"])).code).toBe(0);
    for (const directory of several.directories) {
      expect((await runMosaic(["doctor", "--dir", directory, "--json"])).code).toBe(0);
    }
  });

  test("go on when one is killed, which starts again on its directory", async () => {
    const grant = await several.newGrant("bob");
    several.at(2).child.kill("SIGKILL");
    for (const index of [0, 1, 0, 1]) {
      expect((await say(several.at(index), grant, "list", { resource: "tasks" })).status).toBe(200);
    }
    several.gateways[2] = await start(several.directories[2] ?? "");
    expect((await say(several.at(2), grant, "list", { resource: "tasks" })).status).toBe(200);
  });

  test("leave a row in the one audit log for every request of each", async () => {
    const grant = await several.newGrant("carol");
    for (let index = 0; index < 9; index += 1) {
      expect((await say(several.at(index), grant, "list", { resource: "tasks" })).status).toBe(200);
    }
    const codes = await Promise.all(several.gateways.map((gateway) => gateway.stop()));
    expect(codes).toEqual([0, 0, 0]);
    const [row] = await several.admin<{ count: string }>(
      "select count(*) from federation.list_audit($1, 1000) where verb = 'list' and outcome = 'served'",
      [grant.grantId],
    );
    expect(Number(row?.count)).toBe(9);
  });
});

test("a release that does not know the database's migrations does not start on it", async () => {
  await several.admin(
    "insert into graphile_migrate.migrations (hash, previous_hash, filename) select 'sha1:later', hash, '009999-later.sql' from graphile_migrate.migrations order by filename desc limit 1",
  );
  const { code, stderr } = await runMosaic(["serve", "--dir", several.directories[0] ?? "", "--json"]);
  expect(code).toBe(78);
  expect(stderr).toContain("009999-later.sql");
});
