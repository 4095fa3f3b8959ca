import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addPeer, createToken } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { auditRows, createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks", "notes"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";
const TASK = "00000000-0000-4000-8000-000000000001";

interface CachedRow {
  id: string;
  title: string;
  _cached?: boolean;
  _age_ms?: number;
}

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
});
beforeEach(async () => {
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

async function list(variables: Record<string, unknown> = {}, user = "alice-at-home"): Promise<CachedRow[]> {
  const answer = await homeQuery(
    home,
    user,
    `query ($source: String!, $first: Int, $order: JSON) { list(resource: "tasks", source: $source, first: $first, order: $order) { rows } }`,
    { source: SOURCE, ...variables },
  );
  if (answer.data == null) {
    throw new Error(answer.errors?.[0]?.extensions.code ?? "no answer");
  }
  return (answer.data as { list: { rows: CachedRow[] } }).list.rows;
}
const requestsAtWork = async (): Promise<string[]> =>
  (await auditRows(work, grant.grantId)).map(({ verb }) => verb).filter((verb) => verb !== "enroll");
const isFresh = (rows: CachedRow[]): boolean => rows.every((row) => !("_cached" in row) && !("_age_ms" in row));

describe("acceptance 1: the same list again", () => {
  test("is from memory, every row flagged with its age, and the peer is not asked", async () => {
    const first = await list();
    expect(first).toHaveLength(3);
    expect(isFresh(first)).toBe(true);
    const again = await list();
    expect(again).toEqual(first.map((row) => ({ ...row, _cached: true, _age_ms: expect.any(Number) as unknown })));
    for (const row of again) {
      expect(row._cached).toBe(true);
      expect(row._age_ms).toBeGreaterThanOrEqual(0);
      expect(row._age_ms).toBeLessThan(30_000);
    }
    expect((await requestsAtWork()).filter((verb) => verb === "list")).toHaveLength(1);
  });

  test("is another where it asks for something else, and where the order of its keys differs it is the same", async () => {
    await list({ order: [{ column: "due_on", direction: "asc" }] });
    expect(isFresh(await list({ order: [{ column: "due_on", direction: "desc" }] }))).toBe(true);
    expect(isFresh(await list({ first: 2 }))).toBe(true);
    expect(isFresh(await list({ order: [{ direction: "asc", column: "due_on" }] }))).toBe(false);
  });

  test("of another user asks for them, under their own grant", async () => {
    await enrollGrant(work, home, "bob", "bob-at-home", SCOPE);
    const hers = await list();
    const his = await list({}, "bob-at-home");
    expect(isFresh(his)).toBe(true);
    expect(his.map(({ id }) => id)).not.toEqual(hers.map(({ id }) => id));
  });

  test("is asked once where many ask at the same time", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => list({ first: 3 })));
    expect(new Set(answers.map((rows) => rows.length))).toEqual(new Set([3]));
    expect((await requestsAtWork()).filter((verb) => verb === "list").length).toBeLessThan(10);
  });

  test("and get, too", async () => {
    const get = async (): Promise<CachedRow> =>
      (
        (
          await homeQuery(
            home,
            "alice-at-home",
            `query ($id: String!) { get(resource: "tasks", id: $id, source: "${SOURCE}") { rows } }`,
            { id: TASK },
          )
        ).data as { get: { rows: [CachedRow] } }
      ).get.rows[0];
    expect(await get()).not.toHaveProperty("_cached");
    expect(await get()).toMatchObject({ id: TASK, _cached: true });
  });

  test("is good for as long as the peer's own time says", async () => {
    const cache = (...args: string[]) =>
      runMosaic([
        ...["federation", "peer", "cache", "work.localhost", "--user", "alice-at-home", "--dir", home.directory],
        ...args,
      ]);
    expect((await cache("--ttl", "0")).code).toBe(0);
    await list();
    expect(isFresh(await list())).toBe(true);
    expect((await cache("--ttl", "1", "--json")).stdout).toContain('"cacheTtlSeconds": 1');
    await list();
    expect(isFresh(await list())).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(isFresh(await list())).toBe(true);
    expect((await cache("--default")).code).toBe(0);
    expect((await cache()).code).toBe(64);
    expect((await cache("--ttl", "9999")).code).toBe(65);
  });
});

describe("acceptance 2: search and capabilities", () => {
  test("are asked of the peer each time", async () => {
    for (let n = 0; n < 2; n += 1) {
      const found = await homeQuery(
        home,
        "alice-at-home",
        `{ search(query: "certificate", source: "${SOURCE}") { hits } capabilities(source: "${SOURCE}") { source } }`,
      );
      expect(JSON.stringify(found.data)).toContain("certificate");
      expect(JSON.stringify(found.data)).not.toContain("_cached");
    }
    const verbs = await requestsAtWork();
    expect(verbs.filter((verb) => verb === "search")).toHaveLength(2);
    expect(verbs.filter((verb) => verb === "capabilities")).toHaveLength(2);
  });
});

describe("acceptance 3: what is in memory", () => {
  test("is gone the moment that any answer says the grant was revoked", async () => {
    await list();
    await list({ first: 1 });
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    // This one was not asked before, and so goes to the peer.
    await expect(list({ first: 2 })).rejects.toThrow("GRANT_REVOKED");
    await expect(list()).rejects.toThrow("GRANT_REVOKED");
    await expect(list({ first: 1 })).rejects.toThrow("GRANT_REVOKED");
  });

  test("is gone when the peer says that the grant is suspended, that its subject is not there, or that its scope leaves the resource out", async () => {
    const notes = () => homeQuery(home, "alice-at-home", `{ list(resource: "notes", source: "${SOURCE}") { rows } }`);
    await list();
    expect((await notes()).data).not.toBeNull();
    await work.pool.query("select federation.suspend_grant($1)", [grant.grantId]);
    await expect(list({ first: 2 })).rejects.toThrow("GRANT_SUSPENDED");
    await expect(list()).rejects.toThrow("GRANT_SUSPENDED");
    await work.pool.query("select federation.resume_grant($1)", [grant.grantId]);
    expect(isFresh(await list())).toBe(true);
    const rename = (from: string, to: string): Promise<unknown> =>
      work.pool.query(
        `alter table app.users disable trigger all; update app.users set id = '${to}' where id = '${from}';
         alter table app.users enable trigger all`,
      );
    await rename("alice", "nobody");
    await expect(list({ first: 2 })).rejects.toThrow("SUBJECT_UNKNOWN");
    await expect(list()).rejects.toThrow("SUBJECT_UNKNOWN");
    await rename("nobody", "alice");
    expect(isFresh(await list())).toBe(true);
    await notes();
    await work.pool.query("update federation.federation_grants set scope = $2 where id = $1", [
      grant.grantId,
      JSON.stringify({ ...SCOPE, resources: ["tasks"] }),
    ]);
    const fresh = await homeQuery(
      home,
      "alice-at-home",
      `{ list(resource: "notes", first: 1, source: "${SOURCE}") { rows } }`,
    );
    expect(fresh.errors?.[0]?.extensions.code).toBe("RESOURCE_DENIED");
    expect((await notes()).errors?.[0]?.extensions.code).toBe("RESOURCE_DENIED");
  });

  test("is gone when the peer is marked revoked, removed or enrolled anew beside the gateway", async () => {
    await list();
    await home.pool.query(
      "select federation.set_peer_state(id, certificate_serial, 'revoked') from federation.federation_peers",
    );
    await expect(list()).rejects.toThrow("GRANT_REVOKED");

    await addPeer(home.directory, "alice-at-home", (await createGrant(work, "alice", SCOPE)).url);
    expect(isFresh(await list())).toBe(true);
    expect(isFresh(await list())).toBe(false);
    await addPeer(home.directory, "alice-at-home", (await createGrant(work, "alice", SCOPE)).url);
    expect(isFresh(await list())).toBe(true);

    await home.pool.query("select federation.remove_peer('alice-at-home', 'work.localhost')");
    await expect(list()).rejects.toThrow("PEER_UNKNOWN");
  });

  const graphql = { path: "/graphql", body: { query: `{ list(resource: "tasks", source: "${SOURCE}") { rows } }` } };
  const stream = { path: "/stream", body: { verb: "list", source: SOURCE, variables: { resource: "tasks" } } };
  test.each([
    {
      what: "the token was revoked",
      statement: "select federation.revoke_user_token(token_id) from federation.list_user_tokens()",
      code: "UNAUTHENTICATED",
      question: graphql,
    },
    {
      what: "the token has come to its end",
      statement: "update federation.federation_user_tokens set expires_at = now()",
      code: "UNAUTHENTICATED",
      question: stream,
    },
    {
      what: "the grant was ended",
      statement: "select federation.set_peer_state(id, certificate_serial, 'revoked') from federation.federation_peers",
      code: "GRANT_REVOKED",
      question: graphql,
    },
    {
      what: "the peer was removed",
      statement: "select federation.remove_peer('alice-at-home', 'work.localhost')",
      code: "PEER_UNKNOWN",
      question: stream,
    },
  ])("is not served where $what while the question was on its way", async ({ statement, code, question }) => {
    await list();
    expect(isFresh(await list())).toBe(false);
    const body = JSON.stringify(question.body);
    const slowly = request(`${home.gateway.homeUrl}${question.path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        authorization: `Bearer ${await createToken(home.directory, "alice-at-home")}`,
        expect: "100-continue",
      },
    });
    slowly.flushHeaders();
    await once(slowly, "continue");
    // What is looked up before the body is there would have been looked up by now.
    await sleep(200);
    await home.pool.query(statement);
    slowly.end(body);
    const [response] = (await once(slowly, "response")) as [IncomingMessage];
    expect(await json(response)).toMatchObject({ errors: [{ extensions: { code } }] });
  });
});
