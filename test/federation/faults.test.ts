import { randomBytes } from "node:crypto";
import { connect as connectPlain } from "node:net";
import { duplexPair } from "node:stream";
import { connect } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createToken, credentialsOf } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import type { Fault, FaultProxy } from "../harness/fault-proxy.ts";
import { derToPem } from "../../src/pki/der.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { HomeAnswer, TestGateway, TestGrant } from "../harness/gateway.ts";

const SCOPE = { resources: ["notes"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";
const NOTE = "00000000-0000-4000-8000-0000000000d1";
/** What the caller waits for an answer, ms; the gateway itself would wait ten times as long for a peer. */
const DEADLINE_MS = 1_500;
/** By how much a busy machine may be late to look at its clock, ms. */
const LATE_MS = 1_500;
/** Bytes of the note: an answer with it takes several records of TLS, so that it can end between two. */
const LONG = 60_000;

let work: TestGateway;
let home: TestGateway;
let proxy: FaultProxy;
let grant: TestGrant;
let token: string;
beforeAll(async () => {
  const limits = { requestsPerMinute: 100_000 };
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK, { limits }),
    openTestGateway("home.localhost", HOME, {
      limits: { ...limits, peerTimeoutMs: 10 * DEADLINE_MS },
      circuit: { failures: 1_000 },
      cache: { bytes: 0 },
    }),
  ]);
  await work.pool.query("insert into app.notes (id, title, body, owner_id) values ($1, 'Handover', $2, 'alice')", [
    NOTE,
    "lorem ".repeat(LONG / 6),
  ]);
  await home.pool.query("insert into app.notes (title, owner_id) values ('Handover at home', 'alice-at-home')");
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
  await home.pool.query("update federation.federation_peers set federation_url = $1", [proxy.url]);
  token = await createToken(home.directory, "alice-at-home");
});
beforeEach(async () => {
  // Nobody's connection is left over.
  await proxy.set({ kind: "refused" });
  await proxy.set({ kind: "none" });
  await new Promise((resolve) => setTimeout(resolve, 50));
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
  await proxy.close();
});

const PAGE = "sources { source status error { code } }";
const QUERIES = {
  list: (source: string) => `{ list(resource: "notes", source: "${source}") { rows ${PAGE} } }`,
  get: (source: string) => `{ get(resource: "notes", id: "${NOTE}", source: "${source}") { rows ${PAGE} } }`,
  search: (source: string) => `{ search(query: "handover", source: "${source}") { hits ${PAGE} } }`,
};
type Verb = keyof typeof QUERIES;
const VERBS = Object.keys(QUERIES) as Verb[];

interface Page {
  rows?: { title: string }[];
  hits?: unknown[];
  sources: { source: string; status: string; error: { code: string } | null }[];
}

/** What came of a query, and how long it took, ms. */
async function ask(
  verb: Verb,
  source: string,
  deadlineMs = DEADLINE_MS,
): Promise<{ code: string; page: Page | undefined; ms: number }> {
  const started = performance.now();
  const response = await fetch(`${home.gateway.homeUrl}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "mosaic-timeout-ms": String(deadlineMs),
    },
    body: JSON.stringify({ query: QUERIES[verb](source) }),
  });
  const { data, errors } = (await response.json()) as HomeAnswer;
  const page = (data?.[verb] ?? undefined) as Page | undefined;
  const remote = page?.sources.find((outcome) => outcome.source === SOURCE);
  return {
    code: errors?.[0]?.extensions.code ?? remote?.error?.code ?? "OK",
    page,
    ms: performance.now() - started,
  };
}

const askEach = (source: string, deadlineMs?: number): Promise<Awaited<ReturnType<typeof ask>>[]> =>
  Promise.all(VERBS.map((verb) => ask(verb, source, deadlineMs)));

const FAULTS: [name: string, fault: Fault, code: string][] = [
  ["latency beyond the deadline", { kind: "latency", ms: 10 * DEADLINE_MS }, "PEER_TIMEOUT"],
  ["too little bandwidth", { kind: "bandwidth", bytesPerSecond: 500 }, "PEER_TIMEOUT"],
  ["a reset", { kind: "reset" }, "PEER_UNREACHABLE"],
  ["a half-open connection", { kind: "half-open" }, "PEER_TIMEOUT"],
  ["a black hole", { kind: "black hole" }, "PEER_TIMEOUT"],
  ["what is no TLS", { kind: "garbage" }, "PEER_UNTRUSTED"],
  ["an answer that ends early", { kind: "truncated", bytes: LONG / 2 }, "PEER_UNREACHABLE"],
  ["a slow trickle", { kind: "trickle", ms: 10 }, "PEER_TIMEOUT"],
  ["a refused connection", { kind: "refused" }, "PEER_UNREACHABLE"],
];

describe.each(["warm", "new"] as const)("acceptance 9: over a %s connection", (connection) => {
  beforeEach(async () => {
    if (connection === "warm") {
      for (const { code } of await askEach(SOURCE, 10 * DEADLINE_MS)) {
        expect(code).toBe("OK");
      }
      expect(proxy.open).toBeGreaterThan(0);
    } else {
      expect(proxy.open).toBe(0);
    }
  });

  test.each(FAULTS)("%s ends each verb within the caller's deadline, and says so", async (_, fault, code) => {
    await proxy.set(fault);
    for (const answer of await askEach(SOURCE)) {
      expect(answer.code).toBe(code);
      expect(answer.ms).toBeLessThan(DEADLINE_MS + LATE_MS);
    }
  });

  test.each(FAULTS)("%s leaves a query of all sources its local rows", async (_, fault, code) => {
    await proxy.set(fault);
    const [list, get, search] = await askEach("all");
    for (const answer of [list, get, search]) {
      expect(answer?.code).toBe(code);
      expect(answer?.page?.sources.find(({ source }) => source === "local")).toMatchObject({ status: "ok" });
      expect(answer?.ms).toBeLessThan(DEADLINE_MS + LATE_MS);
    }
    expect(list?.page?.rows).toEqual([expect.objectContaining({ title: "Handover at home", _source: "local" })]);
    expect(search?.page?.hits).toHaveLength(1);
  });

  test.each([
    ["latency", { kind: "latency", ms: 20 }],
    ["little bandwidth", { kind: "bandwidth", bytesPerSecond: 4_000_000 }],
  ] satisfies [string, Fault][])("%s that the deadline has room for does no harm", async (_, fault) => {
    await proxy.set(fault);
    for (const { code, page } of await askEach(SOURCE)) {
      expect(code).toBe("OK");
      expect(page?.rows ?? page?.hits).not.toHaveLength(0);
    }
  });

  test("once a fault is over, the next query is answered", async () => {
    for (const [, fault] of FAULTS.filter(([, , code]) => code !== "PEER_TIMEOUT")) {
      await proxy.set(fault);
      await ask("list", SOURCE);
      await proxy.set({ kind: "none" });
      expect((await ask("list", SOURCE)).code).toBe("OK");
    }
  });
});

test.each(["before", "after"])(
  "a connection whose TLS breaks %s its handshake is closed by the gateway, too, whichever side breaks it",
  async (when) => {
    const { certificate: cert, key } = credentialsOf(grant.enrolled);
    const { hostname: host, port } = new URL(work.gateway.federationUrl);
    const ca = derToPem(grant.enrolled.rootDer, "CERTIFICATE");
    for (const broken of ["theirs", "ours"]) {
      const raw = connectPlain({ host, port: Number(port) }).on("error", () => undefined);
      const ended = new Promise((resolve) => raw.once("close", resolve));
      let isBroken = when === "before";
      const pass = (chunk: Buffer, whose: string): Buffer =>
        isBroken && whose === broken ? randomBytes(chunk.length) : chunk;
      const [near, far] = duplexPair();
      far.on("data", (chunk: Buffer) => raw.write(pass(chunk, "ours")));
      raw.on("data", (chunk: Buffer) => far.write(pass(chunk, "theirs")));
      raw.on("end", () => far.end());
      far.on("end", () => raw.end());
      const socket = connect({ socket: near, host, cert, key, ca });
      const failed = new Promise((resolve) => socket.on("error", resolve).once("close", resolve));
      if (when === "after") {
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        isBroken = true;
        socket.write("GET /federation HTTP/1.1\r\nhost: work\r\n\r\n");
      }
      await failed;
      socket.destroy();
      raw.end();
      await ended;
    }
  },
);
