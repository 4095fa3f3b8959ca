import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPeer, createGrant, createToken, credentialsOf } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld, HOME, task, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { initGateway } from "../../src/setup/init.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { collectorUrl, linesAbout, metricsOf, spansOf } from "./collected.ts";
import type { CollectedSpan } from "./collected.ts";
import { onDatabase } from "./migrate-harness.ts";
import { openProxy } from "./proxy.ts";
import type { Proxy } from "./proxy.ts";

const SCOPE = { resources: ["tasks", "notes"], include_teams: ["platform"], include_personal: true };
const NEEDLE = `needle${randomBytes(6).toString("hex")}`;
const [internal, server, client] = [1, 2, 3];

/** A gateway in a process of its own, whose telemetry goes to the collector by way of the proxy. */
interface Traced {
  directory: string;
  host: string;
  gateway: GatewayProcess;
}

const folder = mkdtempSync(join(tmpdir(), "mosaic-telemetry-"));
const run = randomBytes(4).toString("hex");
let proxy: Proxy;
let work: Traced;
let home: Traced;
let grant: { grantId: string; url: string };
let token: string;
/** A peer of work's that this test speaks for by itself. */
let peer: Client;

async function open(name: string, world: Parameters<typeof fillWorld>[1]): Promise<Traced> {
  const directory = join(folder, name);
  const host = `${name}-${run}.localhost`;
  const [federation = 0, publicPort = 0, homePort = 0] = await freePorts(3);
  await initGateway({
    directory,
    config: {
      version: 2,
      tier: "local",
      host,
      listeners: { federation: { port: federation }, public: { port: publicPort }, home: { port: homePort } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${publicPort}`,
      limits: { requestsPerMinute: 100_000 },
      telemetry: { otlpUrl: `http://127.0.0.1:${proxy.port}` },
    },
    sample: true,
    log: () => undefined,
  });
  const gateway = await startGatewayProcess(MOSAIC, directory);
  await useDatabase(directory, ({ adminUrl }) => fillWorld(adminUrl, world));
  return { directory, host, gateway };
}

beforeAll(async () => {
  proxy = await openProxy(new URL(collectorUrl));
  [work, home] = await Promise.all([open("work", WORK), open("home", HOME)]);
  grant = await createGrant(work.directory, "alice", SCOPE);
  await addPeer(home.directory, "alice-at-home", grant.url);
  token = await createToken(home.directory, "alice-at-home");
  const own = await createGrant(work.directory, "bob", SCOPE);
  const enrolled = await addPeer(home.directory, "bob-at-home", own.url);
  const { certificate: cert, key } = credentialsOf(enrolled);
  peer = new Client(work.gateway.federationUrl, {
    connect: { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key },
  });
});
afterAll(async () => {
  await peer.destroy();
  await Promise.all([work.gateway.stop(), home.gateway.stop()]);
  await proxy.close();
  rmSync(folder, { recursive: true, force: true });
});

const newTrace = (): string => randomBytes(16).toString("hex");

/** Asks the home API as Alice, whose own span has the id `0badc0de0badc0de`. */
async function ask(
  traceId: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<{ traceresponse: string; codes: string[]; data: Record<string, unknown> | null }> {
  const { headers, body } = await request(`${home.gateway.homeUrl}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      traceparent: `00-${traceId}-0badc0de0badc0de-01`,
    },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await body.json()) as {
    data: Record<string, unknown> | null;
    errors?: { extensions: { code: string } }[];
  };
  return {
    traceresponse: String(headers["traceresponse"]),
    codes: (answer.errors ?? []).map(({ extensions }) => extensions.code),
    data: answer.data,
  };
}

/** Says a verb to work over mTLS, with headers of the test's choice. */
async function say(variables: unknown, headers: Record<string, string>): Promise<{ status: number; trace: string }> {
  const answer = await peer.request({
    method: "POST",
    path: "/federation",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ documentId: "list", variables }),
  });
  await answer.body.dump();
  return { status: answer.statusCode, trace: String(answer.headers["traceresponse"]) };
}

const LIST = `query ($source: String!, $filter: JSON) {
  list(resource: "tasks", source: $source, filter: $filter) { rows sources { source status } }
}`;
const named = (spans: CollectedSpan[], host: string, name: string, kind: number): CollectedSpan[] =>
  spans.filter((span) => span.host === host && span.name === name && span.kind === kind);
/** Both sides' spans of one request have come. */
const complete = (spans: CollectedSpan[]): boolean =>
  named(spans, home.host, "home.request", server).length === 1 &&
  named(spans, home.host, "federation.request", client).length === 1 &&
  named(spans, work.host, "federation.request", server).length === 1;

describe("acceptance 7: a request that blends home with work", () => {
  const traceId = newTrace();
  let spans: CollectedSpan[];
  let answered: Awaited<ReturnType<typeof ask>>;
  const only = (host: string, name: string, kind: number): CollectedSpan => {
    const [span, ...others] = named(spans, host, name, kind);
    expect(others).toEqual([]);
    if (span === undefined) {
      throw new Error(`no span ${name} of ${host}`);
    }
    return span;
  };
  beforeAll(async () => {
    answered = await ask(traceId, LIST, { source: "all", filter: { title: { ne: NEEDLE } } });
    spans = await spansOf(traceId, complete);
  });

  test("is answered from both", () => {
    expect(answered.codes).toEqual([]);
    expect((answered.data as { list: { rows: unknown[] } }).list.rows).toHaveLength(5);
  });

  test("is one trace, the caller's: caller, home, home's question to work, work, each the parent of the next", () => {
    const [asked, sent, served] = [
      only(home.host, "home.request", server),
      only(home.host, "federation.request", client),
      only(work.host, "federation.request", server),
    ];
    expect(asked.parentSpanId).toBe("0badc0de0badc0de");
    expect(sent.parentSpanId).toBe(asked.spanId);
    expect(served.parentSpanId).toBe(sent.spanId);
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
  });

  test("tells each caller which span answered it, and the caller's span names it", () => {
    expect(answered.traceresponse).toBe(`00-${traceId}-${only(home.host, "home.request", server).spanId}-01`);
    expect(only(home.host, "federation.request", client).links).toEqual([
      only(work.host, "federation.request", server).spanId,
    ]);
  });

  test("has the same attributes on both sides", () => {
    const said = {
      grant_id: grant.grantId,
      verb: "list",
      resource: "tasks",
      outcome: "served",
      cached: false,
      latency_ms: expect.any(Number) as unknown,
    };
    expect(only(home.host, "federation.request", client).attributes).toEqual({ ...said, peer: work.host });
    expect(only(work.host, "federation.request", server).attributes).toEqual({ ...said, peer: "home.localhost" });
  });

  test("has spans around admission, SQL and audit at work, within work's", () => {
    const parent = only(work.host, "federation.request", server).spanId;
    for (const name of ["federation.admission", "federation.sql", "federation.audit"]) {
      expect(only(work.host, name, internal).parentSpanId, name).toBe(parent);
    }
  });

  test("has an audit row at work with the trace's id", async () => {
    await expect
      .poll(() =>
        useDatabase(work.directory, ({ adminUrl }) =>
          onDatabase(adminUrl, async (db) => {
            const { rows } = await db.query("select trace_id, verb, outcome from federation.list_audit($1, 10)", [
              grant.grantId,
            ]);
            return rows as unknown[];
          }),
        ),
      )
      .toContainEqual({ trace_id: traceId, verb: "list", outcome: "served" });
  });
});

describe("the spans of a request", () => {
  test("that is answered from memory say so, and work has none", async () => {
    const variables = { source: `federated:${work.host}`, filter: { title: { ne: `${NEEDLE}again` } } };
    await ask(newTrace(), LIST, variables);
    const traceId = newTrace();
    await ask(traceId, LIST, variables);
    const spans = await spansOf(traceId, (found) => named(found, home.host, "federation.request", client).length === 1);
    expect(named(spans, home.host, "federation.request", client)[0]?.attributes).toMatchObject({
      cached: true,
      outcome: "served",
    });
    expect(spans.filter(({ host }) => host === work.host)).toEqual([]);
  });

  test("that work refuses say that it was denied, and with which code", async () => {
    const traceId = newTrace();
    const { codes } = await ask(
      traceId,
      `{ get(resource: "credentials", id: "${NEEDLE}", source: "federated:${work.host}") { rows } }`,
    );
    expect(codes).toEqual(["RESOURCE_DENIED"]);
    const spans = await spansOf(traceId, complete);
    const [served] = named(spans, work.host, "federation.request", server);
    expect(served).toMatchObject({ fault: "RESOURCE_DENIED" });
    expect(served?.attributes).toMatchObject({ verb: "get", outcome: "denied", grant_id: grant.grantId });
    // The name of what was refused is whatever the caller wrote.
    expect(served?.attributes).not.toHaveProperty("resource");
    const [sent] = named(spans, home.host, "federation.request", client);
    expect(sent).toMatchObject({ fault: "RESOURCE_DENIED" });
    expect(sent?.attributes).toMatchObject({ verb: "get", outcome: "denied" });
  });
});

describe("a hostile peer's traceparent", () => {
  const good = newTrace();
  test("that is well-formed goes on", async () => {
    const { status, trace } = await say({ resource: "tasks" }, { traceparent: `00-${good}-00f067aa0ba902b7-01` });
    expect([status, trace.slice(3, 35)]).toEqual([200, good]);
  });

  test.each([
    ["is no traceparent", `'; drop table federation.federation_grants; --`],
    ["has the trace id of zeros", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
    ["has capital letters", `00-${"A".repeat(32)}-00f067aa0ba902b7-01`],
    ["is of a version that does not exist", `ff-${good}-00f067aa0ba902b7-01`],
    ["goes on after its end", `00-${good}-00f067aa0ba902b7-01-${NEEDLE}`],
    ["is six thousand characters long", `00-${"a".repeat(6_000)}-00f067aa0ba902b7-01`],
  ])("that %s is ignored: the request is served, in a trace of its own", async (_, traceparent) => {
    const { status, trace } = await say({ resource: "tasks" }, { traceparent, tracestate: NEEDLE, baggage: NEEDLE });
    expect(status).toBe(200);
    expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(trace.slice(3, 35)).not.toBe(good);
    const spans = await spansOf(trace.slice(3, 35), (found) => found.some(({ name }) => name === "federation.request"));
    expect(named(spans, work.host, "federation.request", server)[0]?.parentSpanId ?? "").toBe("");
  });
});

describe("what gateways tell the collector", () => {
  test("has their metrics, too", async () => {
    const ofBoth = ["mosaic_audit_queue_rows", "mosaic_audit_dropped", "mosaic_certificate_expiry_seconds"];
    const expected = [
      [work, [...ofBoth, "mosaic_requests", "mosaic_request_duration_milliseconds"]],
      [
        home,
        [
          ...ofBoth,
          "mosaic_peer_requests",
          "mosaic_peer_request_duration_milliseconds",
          "mosaic_cache_hits",
          "mosaic_cache_misses",
        ],
      ],
      [home, ["mosaic_peer_circuit_open", "mosaic_peer_certificate_expiry_seconds"]],
    ] as const;
    for (const [{ host }, names] of expected) {
      await expect.poll(() => [...metricsOf(host)], { timeout: 15_000 }).toEqual(expect.arrayContaining([...names]));
    }
  });

  test("holds no parameter, row, query, user or secret, byte by byte", async () => {
    await ask(newTrace(), 'query ($words: String!) { search(query: $words, source: "all") { hits } }', {
      words: `${NEEDLE} failover`,
    });
    await ask(newTrace(), `{ get(resource: "tasks", id: "${task(2)}", source: "federated:${work.host}") { rows } }`);
    await ask(newTrace(), `{ list(resource: "${NEEDLE}", source: "all") { rows } }`);
    await say({ resource: NEEDLE }, {});
    const last = newTrace();
    await ask(last, LIST, { source: "all" });
    await spansOf(last, complete);
    // Metrics of all this.
    await sleep(11_000);
    const told = linesAbout([work.host, home.host]).join("\n");
    expect(told).toContain(last);
    expect(told).toContain("mosaic_request_duration_milliseconds");
    const values = [...WORK.tasks, ...HOME.tasks, ...WORK.users, ...HOME.users]
      .flatMap((row) => Object.values(row))
      .filter((value) => typeof value === "string" && value !== "platform");
    const secrets = [NEEDLE, token, new URL(grant.url).pathname.split("/").at(-1) ?? "", "drop table", "failover"];
    expect([...values, ...secrets].filter((value) => told.toLowerCase().includes(String(value).toLowerCase()))).toEqual(
      [],
    );
    expect(told).not.toMatch(/select |insert |query \(/i);
  });
});

describe("a receiver that is away", () => {
  const said = (gateway: Traced): string[] =>
    readFileSync(join(gateway.directory, "serve.log"), "utf8")
      .split("\n")
      .filter((line) => line.includes("telemetry"));

  test("holds up no request, is said once, and once more when it is back", { timeout: 90_000 }, async () => {
    expect([...said(work), ...said(home)]).toEqual([]);
    await proxy.close();
    const until = Date.now() + 25_000;
    while (Date.now() < until) {
      expect((await say({ resource: "tasks" }, {})).status).toBe(200);
      await sleep(50);
    }
    expect(said(work)).toHaveLength(1);
    expect(JSON.parse(said(work)[0] ?? "")).toMatchObject({ level: 40 });
    await proxy.open();
    await expect
      .poll(
        async () => {
          await say({ resource: "tasks" }, {});
          return said(work).length;
        },
        { timeout: 30_000, interval: 500 },
      )
      .toBe(2);
    const traceId = newTrace();
    await say({ resource: "tasks" }, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
    await spansOf(traceId, (spans) => named(spans, work.host, "federation.request", server).length === 1);
  });
});
