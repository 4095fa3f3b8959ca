import { readFileSync } from "node:fs";
import { Client } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { HOME, task, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
let client: Client;
let publicClient: Client;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", {
    resources: ["tasks", "notes"],
    include_teams: "*",
    include_personal: true,
    max_rows_per_query: 2,
  });
  const { certificate: cert, key } = credentialsOf(alice.enrolled);
  const ca = derToPem(alice.enrolled.rootDer, "CERTIFICATE");
  client = new Client(work.gateway.federationUrl, { connect: { ca, cert, key } });
  publicClient = new Client(work.gateway.publicUrl, { connect: { ca } });
});
afterAll(async () => {
  await client.destroy();
  await publicClient.destroy();
  await Promise.all([work.stop(), home.stop()]);
});

async function post(on: Client, path: string, body: string): Promise<{ status: number; text: string }> {
  const answer = await on.request({ method: "POST", path, headers: { "content-type": "application/json" }, body });
  return { status: answer.statusCode, text: await answer.body.text() };
}

const SQL = [
  "'; drop table app.tasks; --",
  "tasks; select 1",
  "app.tasks",
  'tasks"',
  "tasks' or '1'='1",
  "$1",
  "title) or (true",
  "(select secret from app.credentials limit 1)",
  "pg_sleep(10)",
  "\\'; --",
];

/** What a message to a peer must never hold. */
const TELLTALE = /select |insert |app\.|federation\.|pg_|syntax error|at \/|node_modules|\.ts:/i;

async function expectRefused(variables: unknown, verb = "list"): Promise<void> {
  const { status, text } = await post(client, "/federation", JSON.stringify({ documentId: verb, variables }));
  expect([400, 403, 404], `${status} for ${JSON.stringify(variables).slice(0, 100)}`).toContain(status);
  const { errors } = JSON.parse(text) as { errors: { message: string; extensions: { code: string } }[] };
  expect(errors[0]?.extensions.code).toMatch(/^(BAD_REQUEST|RESOURCE_DENIED|NOT_FOUND)$/);
  expect(errors[0]?.message).not.toMatch(TELLTALE);
}

async function isUp(): Promise<void> {
  const { status } = await post(
    client,
    "/federation",
    JSON.stringify({ documentId: "get", variables: { resource: "tasks", id: task(1) } }),
  );
  expect(status).toBe(200);
  const { rows } = await work.pool.query("select count(*)::int as tasks from app.tasks");
  expect(rows).toEqual([{ tasks: 6 }]);
}

describe("the verbs", () => {
  test("take SQL in any string as no more than a string", async () => {
    for (const text of SQL) {
      await expectRefused({ resource: text });
      await expectRefused({ resource: "tasks", filter: { [text]: { eq: 1 } } });
      await expectRefused({ resource: "tasks", filter: { title: { [text]: "x" } } });
      await expectRefused({ resource: "tasks", filter: { priority: { eq: text } } });
      await expectRefused({ resource: "tasks", filter: { created_at: { gt: text } } });
      await expectRefused({ resource: "tasks", order: [{ column: text }] });
      await expectRefused({ resource: "tasks", order: [{ column: "title", direction: text }] });
      await expectRefused({ resource: "tasks", after: text });
      await expectRefused({ resource: text, id: task(1) }, "get");
      await expectRefused({ resource: "tasks", id: text }, "get");
      const harmless = await post(
        client,
        "/federation",
        JSON.stringify({ documentId: "list", variables: { resource: "tasks", filter: { title: { eq: text } } } }),
      );
      expect(JSON.parse(harmless.text)).toEqual({ data: { list: { rows: [], nextCursor: null, capped: false } } });
    }
    await isUp();
  });

  test("refuse wrong types, huge values, unknown fields and what a database cannot hold", async () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });
    for (const variables of [
      null,
      "tasks",
      [],
      {},
      { resource: 1 },
      { resource: null },
      { resource: ["tasks"] },
      { resource: "tasks", unknown: true },
      { resource: "tasks", first: 0 },
      { resource: "tasks", first: -1 },
      { resource: "tasks", first: 1.5 },
      { resource: "tasks", first: "1" },
      { resource: "tasks", first: 1e308 },
      { resource: "tasks", filter: "title" },
      { resource: "tasks", filter: [] },
      { resource: "tasks", filter: { title: "x" } },
      { resource: "tasks", filter: { title: { eq: { a: 1 } } } },
      { resource: "tasks", filter: { title: { eq: null } } },
      { resource: "tasks", filter: { title: { in: Array.from({ length: 201 }, () => "x") } } },
      { resource: "tasks", filter: { priority: { eq: 1e308 } } },
      { resource: "tasks", filter: { priority: { eq: 9_007_199_254_740_993 } } },
      { resource: "tasks", filter: { title: { eq: "\0" } } },
      { resource: "tasks", filter: { title: { eq: "\ud800" } } },
      { resource: "tasks", filter: nested(50) },
      { resource: "tasks", order: "title" },
      { resource: "tasks", order: [{ column: "title", direction: "sideways" }] },
      { resource: "tasks", order: Array.from({ length: 5 }, () => ({ column: "title" })) },
      { resource: "tasks", after: 1 },
      { resource: "tasks", after: "x".repeat(9_000) },
      { resource: "tasks", after: "\0" },
      { resource: "tasks", after: "\ud800" },
      { resource: "x".repeat(5_000) },
      { __proto__: { resource: "tasks" } },
    ]) {
      await expectRefused(variables);
    }
    await expectRefused({ resource: "tasks", id: 1 }, "get");
    await expectRefused({ resource: "tasks", id: "x".repeat(5_000) }, "get");
    await expectRefused({ anything: 1 }, "capabilities");
    await isUp();
  });

  test("refuse a cursor that is forged, cut, or of another resource, filter, order or grant", async () => {
    const cursorOf = async (variables: Record<string, unknown>): Promise<string> => {
      const { text } = await post(client, "/federation", JSON.stringify({ documentId: "list", variables }));
      return (JSON.parse(text) as { data: { list: { nextCursor: string } } }).data.list.nextCursor;
    };
    const cursor = await cursorOf({ resource: "tasks" });
    expect(cursor.length).toBeGreaterThan(40);
    const good = await post(
      client,
      "/federation",
      JSON.stringify({ documentId: "list", variables: { resource: "tasks", after: cursor } }),
    );
    expect(good.status).toBe(200);
    for (const after of [
      cursor.slice(1),
      cursor.slice(0, -1),
      `${cursor}A`,
      cursor.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
      "AAAA",
      "",
    ]) {
      await expectRefused({ resource: "tasks", after });
    }
    await expectRefused({ resource: "notes", after: cursor });
    await expectRefused({ resource: "tasks", filter: { status: { eq: "open" } }, after: cursor });
    await expectRefused({ resource: "tasks", order: [{ column: "title" }], after: cursor });
    const bob = await enrollGrant(work, home, "bob", "bob-at-home", { resources: ["tasks"], include_teams: "*" });
    const { certificate: cert, key } = credentialsOf(bob.enrolled);
    const bobs = new Client(work.gateway.federationUrl, {
      connect: { ca: derToPem(bob.enrolled.rootDer, "CERTIFICATE"), cert, key },
    });
    const replayed = await post(
      bobs,
      "/federation",
      JSON.stringify({ documentId: "list", variables: { resource: "tasks", after: cursor } }),
    );
    expect(replayed.status).toBe(400);
    await bobs.destroy();
  });

  test("refuse a key that would be lost on the way, so that no filter is left out", async () => {
    for (const body of [
      '{"documentId":"list","variables":{"resource":"tasks","filter":{"__proto__":{"eq":1}}}}',
      '{"documentId":"list","variables":{"resource":"tasks","filter":{"title":{"__proto__":1}}}}',
      '{"documentId":"list","variables":{"resource":"tasks","\\u005f_proto__":1}}',
      '{"documentId":"list","variables":{"resource":"tasks","filter":{"__pr\\u006Fto__":{"eq":1}}}}',
    ]) {
      expect((await post(client, "/federation", body)).status).toBe(400);
    }
    for (const key of ["constructor", "toString", "hasOwnProperty"]) {
      await expectRefused({ resource: "tasks", filter: { [key]: { eq: 1 } } });
      await expectRefused({ resource: "tasks", [key]: 1 });
    }
  });

  test("refuse what is not JSON", async () => {
    for (const body of [
      "",
      "{",
      "null",
      "1",
      '"list"',
      "[]",
      "undefined",
      "{'documentId': 'list'}",
      "\u0000",
      "{".repeat(30_000),
    ]) {
      const { status } = await post(client, "/federation", body);
      expect(status, body.slice(0, 20)).toBe(400);
    }
    await isUp();
  });
});

describe("the enrollment endpoint", () => {
  test("refuses malformed bodies, tokens and requests, and is up afterwards", async () => {
    const { token } = await createGrant(work, "alice", { resources: ["tasks"] });
    const bodies = [
      "",
      "{",
      "[]",
      "{}",
      JSON.stringify({ token }),
      JSON.stringify({ token, csr: 1 }),
      JSON.stringify({ token: 1, csr: "x" }),
      JSON.stringify({ token, csr: "x", extra: 1 }),
      JSON.stringify({ token, csr: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n" }),
      JSON.stringify({ token, csr: "x".repeat(20_000) }),
      ...SQL.map((text) => JSON.stringify({ token: text, csr: text })),
    ];
    for (const body of bodies) {
      const { status, text } = await post(publicClient, "/enroll", body);
      expect([400, 410, 413], body.slice(0, 60)).toContain(status);
      expect(text).not.toMatch(TELLTALE);
      expect(text).not.toContain(token);
    }
    const { rows } = await work.pool.query<{ status: string }>(
      "select status from federation.list_grants() where subject_user_id = 'alice' order by created_at desc limit 1",
    );
    expect(rows).toEqual([{ status: "pending" }]);
    await isUp();
  });
});

describe("an address that tries to enroll again and again", () => {
  test("is 429 RATE_LIMITED after 60 attempts in a minute, and fills no log", async () => {
    const answers = [];
    for (let index = 0; index < 65; index += 1) {
      answers.push(await post(publicClient, "/enroll", JSON.stringify({ token: "a".repeat(43), csr: "x" })));
    }
    expect(answers.at(-1)).toMatchObject({ status: 429 });
    expect(answers.at(-1)?.text).toContain("RATE_LIMITED");
  });
});

describe("the home API", () => {
  test("answers malformed queries and variables with BAD_REQUEST", async () => {
    const code = async (query: string, variables?: Record<string, unknown>): Promise<string | undefined> =>
      (await homeQuery(home, "alice-at-home", query, variables)).errors?.[0]?.extensions.code;
    expect(await code("{")).toBe("BAD_REQUEST");
    expect(await code("{ nothing }")).toBe("BAD_REQUEST");
    expect(await code('{ list(resource: "tasks", first: 0) { rows } }')).toBe("BAD_REQUEST");
    expect(await code('{ list(resource: "tasks", after: "x") { rows } }')).toBe("BAD_REQUEST");
    expect(await code('{ list(resource: "tasks", source: "all", after: "x") { rows } }')).toBe("BAD_REQUEST");
    expect(
      await code('query ($f: JSON) { list(resource: "tasks", filter: $f) { rows } }', { f: { title: { "or 1": 1 } } }),
    ).toBe("BAD_REQUEST");
    expect(await code("mutation { x }")).toBe("BAD_REQUEST");
    for (const text of SQL) {
      expect(await code("query ($r: String!) { list(resource: $r) { rows } }", { r: text })).toMatch(
        /RESOURCE_DENIED|BAD_REQUEST/,
      );
    }
  });
});

describe("the command line", () => {
  test.each([
    [["nonsense"], 64],
    [["query", "list"], 64],
    [["query", "list", "tasks", "--user", "alice-at-home", "--filter", "{"], 64],
    [["query", "list", "tasks", "--user", "alice-at-home", "--filter", '{"a":{"eq":1}}'], 65],
    [["query", "list", "tasks", "--user", "alice-at-home", "--first", "-1"], 64],
    [["query", "list", "tasks; --", "--user", "alice-at-home"], 77],
    [["query", "get", "tasks", "'", "--user", "alice-at-home"], 65],
    [["query", "list", "tasks", "--user", "' or 1=1"], 65],
    [["query", "list", "tasks", "--user", "alice-at-home", "--source", "x"], 65],
    [["federation", "certificate", "list", "--grant", "'"], 64],
    [["federation", "certificate", "revoke", "'"], 66],
    [["federation", "certificate", "revoke", "00", "--reason", "superseded"], 64],
    [["federation", "grant", "create", "--user", "alice-at-home", "--peer", "UPPER", "--scope", "-"], 65],
    [["federation", "grant", "create", "--user", "x", "--peer", "a", "--scope", "/nonexistent"], 64],
    [["federation", "peer", "add", "https://127.0.0.1/enroll/x", "--user", "alice-at-home"], 64],
    [["resource", "register", "x", "--table", "app.nothing"], 65],
    [["resource", "register", "X;", "--table", "app.users"], 65],
    [["resource", "unregister", "nothing"], 66],
    [["token", "create", "--user", "nobody"], 65],
    [["token", "create", "--user", "alice-at-home", "--expires", "soon"], 64],
  ])("%j ends with exit code %i, a code and no stack", async (args, expected) => {
    const { code, stderr, stdout } = await runMosaic([...args, "--dir", home.directory], '{"resources": ["tasks"]}');
    expect({ code, stderr: stderr.slice(0, 300) }).toMatchObject({ code: expected });
    expect(stderr).toMatch(/error/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
  });
});

describe("a command about one grant", () => {
  test.each([
    ["show"],
    ["explain", "tasks"],
    ["visible"],
    ["update", "--scope", "-"],
    ["enroll"],
    ["suspend"],
    ["resume"],
    ["revoke"],
    ["limit"],
    ["audit", "strict"],
  ])("names an id that is no grant's, and what to do next: %s", async (name, ...more) => {
    for (const [id, expected, said] of [
      ["'", 64, "USAGE"],
      ["0".padEnd(36, "-"), 64, "USAGE"],
      ["00000000-0000-4000-8000-000000000000", 66, "NOT_FOUND"],
    ] as const) {
      const { code, stderr } = await runMosaic(
        ["federation", "grant", name, id, ...more, "--json", "--dir", home.directory],
        '{"resources": ["tasks"]}',
      );
      const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
      expect({ code, said: error.code }).toEqual({ code: expected, said });
      expect(error.message).toContain(id);
      expect(error.message).toContain("mosaic federation grant list");
    }
  });
});

describe("nothing secret is logged", () => {
  test("neither tokens nor keys nor parameters nor bodies are in any log line", () => {
    const secrets = [
      ...SQL.map((text) => JSON.stringify(text).slice(1, -1)),
      "PRIVATE KEY",
      "mosaic_",
      "Bearer",
      /"1": "([^"]+)"/.exec(readFileSync(`${work.directory}/secrets/seal-keys.json`, "utf8"))?.[1] ?? "no key",
      alice.enrolled.privateKeyDer.toString("base64"),
    ];
    for (const gateway of [work, home]) {
      const log = gateway.log();
      expect(log.length).toBeGreaterThan(0);
      for (const secret of secrets) {
        expect(log.includes(secret), `${secret} in the log`).toBe(false);
      }
    }
  });
});
