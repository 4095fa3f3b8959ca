import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Pool } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConfigInput } from "../../src/config/schema.ts";
import { addPeer, createGrant, createToken } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld, HOME, task, WORK } from "../../src/demo/world.ts";
import { initGateway } from "../../src/setup/init.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import type { Fault, FaultProxy } from "../harness/fault-proxy.ts";
import type { HomeAnswer } from "../harness/gateway.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { createRandom } from "../harness/random.ts";
import { onDatabase } from "../services/migrate-harness.ts";
import { probeSocket } from "./probe.ts";
import type { Held } from "./probe.ts";

const [WARM_UP, REQUESTS, AT_ONCE] = [1_000, 10_000, 24];
const PEER_MS = 300;
const SOURCE = "federated:work.localhost";
/** Longer than any connection to a gateway is kept open without use, ms: undici's 4 seconds, Node's 5. */
const QUIET_MS = 12_000;
/** Longer than the gateway keeps a connection to its database that nobody uses, a minute, ms. */
const DATABASE_QUIET_MS = 150_000;
/** What the heap may grow by for a request that has ended, bytes. One that leaves a timer, a promise or an entry behind leaves more. */
const HEAP_BYTES_A_REQUEST = 400;

const FAULTS: Fault[] = [
  { kind: "none" },
  { kind: "none" },
  { kind: "latency", ms: 100 },
  { kind: "latency", ms: 10 * PEER_MS },
  { kind: "bandwidth", bytesPerSecond: 2_000 },
  { kind: "reset" },
  { kind: "half-open" },
  { kind: "black hole" },
  { kind: "garbage" },
  { kind: "truncated", bytes: 100 },
  { kind: "trickle", ms: 10 },
  { kind: "refused" },
];

interface Measured extends GatewayProcess {
  directory: string;
  database: string;
}

let folder: string;
let server: PostgresServer;
let proxy: FaultProxy;
let work: Measured;
let home: Measured;
let token: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-faults-"));
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  server = await startPostgresServer();
  closers.push(() => server.stop());
  [work, home] = [await start("work", WORK), await start("home", HOME)];
  const scope = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
  await addPeer(home.directory, "alice-at-home", (await createGrant(work.directory, "alice", scope)).url);
  proxy = await openFaultProxy(new URL(work.federationUrl));
  closers.push(() => proxy.close());
  await onDatabase(home.database, (client) =>
    client.query("update federation.federation_peers set federation_url = $1", [proxy.url]),
  );
  token = await createToken(home.directory, "alice-at-home");
});
afterAll(async () => {
  for (const close of closers.toReversed()) {
    await close();
  }
});

async function start(name: string, world: Parameters<typeof fillWorld>[1]): Promise<Measured> {
  const directory = join(folder, name);
  const database = server.url(name);
  await onDatabase(server.url("postgres"), (client) => client.query(`create database ${name}`));
  const [federation = 0, open = 0, listener = 0] = await freePorts(3);
  const config: ConfigInput = {
    version: 2,
    tier: "standalone",
    host: `${name}.localhost`,
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: listener } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    limits: { requestsPerMinute: 1_000_000, peerTimeoutMs: PEER_MS },
    circuit: { failures: 15, cooldownMs: 100 },
    cache: { ttlSeconds: 1 },
  };
  await initGateway({ directory, config, databaseUrl: database, sample: true, log: () => undefined });
  await fillWorld(database, world);
  const [node, main] = MOSAIC;
  const probed = [node, "--expose-gc", "--import", join(import.meta.dirname, "probe.ts"), main];
  const gateway = await startGatewayProcess(probed, directory);
  closers.push(() => gateway.stop());
  return { ...gateway, directory, database };
}

const random = createRandom(20_261_124);
const { anyOf } = random;

const PAGE = "sources { source error { code } }";
const queries = (source: string): string[] => [
  `{ answer: list(resource: "tasks", source: "${source}", first: ${1 + Math.floor(random() * 50)}) { rows ${PAGE} } }`,
  `{ answer: get(resource: "tasks", id: "${task(1 + Math.floor(random() * 6))}", source: "${source}") { rows ${PAGE} } }`,
  `{ answer: search(query: "${anyOf(["plan", "certificate", "dentist"])}", source: "${source}") { hits ${PAGE} } }`,
];

/** How long a client waits: it may hang up early, and may set the request a deadline. */
interface Patience {
  hangsUp: boolean;
  timeoutMs?: number;
}

const anyPatience = (): Patience => ({
  hangsUp: random() < 0.1,
  ...(random() < 0.3 ? { timeoutMs: 30 + Math.floor(random() * 2 * PEER_MS) } : {}),
});

/** Asks home something; what came of it: a code, `OK`, or `gone` where the client hung up. */
async function ask(client: Pool, { hangsUp, timeoutMs }: Patience): Promise<string> {
  const body = JSON.stringify({ query: anyOf(queries(anyOf(["all", SOURCE]))) });
  try {
    const response = await client.request({
      path: "/graphql",
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${token}`,
        "mosaic-session": `session-${Math.floor(random() * 20)}`,
        ...(timeoutMs === undefined ? {} : { "mosaic-timeout-ms": String(timeoutMs) }),
      },
      body,
      // Long after every deadline: what takes longer hangs.
      signal: AbortSignal.timeout(hangsUp ? Math.ceil(random() * 100) : 10_000),
    });
    const { data, errors } = (await response.body.json()) as HomeAnswer;
    const page = data?.["answer"] as { sources: { error: { code: string } | null }[] } | null | undefined;
    return errors?.[0]?.extensions.code ?? page?.sources.find(({ error }) => error !== null)?.error?.code ?? "OK";
  } catch (error) {
    if (hangsUp && error instanceof Error && error.name === "TimeoutError") {
      return "gone";
    }
    throw error;
  }
}

/** Makes so many requests while faults come and go; how often each code came. */
async function askMany(count: number): Promise<Record<string, number>> {
  const codes: Record<string, number> = {};
  const client = new Pool(home.homeUrl, { connections: AT_ONCE });
  const done = new AbortController();
  const trouble = (async () => {
    while (!done.signal.aborted) {
      await proxy.set(anyOf(FAULTS));
      await sleep(50 + random() * 300);
    }
    await proxy.set({ kind: "none" });
  })();
  let left = count;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left -= 1;
        const code = await ask(client, anyPatience());
        codes[code] = (codes[code] ?? 0) + 1;
      }
    }),
  );
  done.abort();
  await trouble;
  await client.destroy();
  // Gateways keep a good connection for a minute: these end now.
  await proxy.set({ kind: "refused" });
  await proxy.set({ kind: "none" });
  return codes;
}

interface Holding extends Held {
  databaseConnections: number;
}

const OTHERS =
  "from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";

async function holdingOf({ directory, database }: Measured): Promise<Holding> {
  const probe = new Client("http://localhost", { socketPath: probeSocket(directory) });
  const { body } = await probe.request({ path: "/", method: "GET" });
  const held = (await body.json()) as Held;
  await probe.destroy();
  const { rows } = await onDatabase(database, (client) =>
    client.query<{ all: number }>(`select count(*)::int as all ${OTHERS}`),
  );
  return { ...held, databaseConnections: rows[0]?.all ?? -1 };
}

/** What is held now of which more than chance explains was not held then: how many of each kind, then and now. */
function heldMore(then: Holding, now: Holding): Record<string, [then: number, now: number]> {
  const pairs = Object.entries(now.resources).map(
    ([kind, count]) => [kind, [then.resources[kind] ?? 0, count]] satisfies [string, [number, number]],
  );
  const more = Object.fromEntries(pairs.filter(([, [some, count]]) => count > some + 2));
  return now.databaseConnections > then.databaseConnections + 1
    ? { ...more, databaseConnections: [then.databaseConnections, now.databaseConnections] }
    : more;
}

/** Statements that run, or whose transaction is open. */
async function statementsAt({ database }: Measured): Promise<number | undefined> {
  const { rows } = await onDatabase(database, (client) =>
    client.query<{ busy: number }>(`select count(*)::int as busy ${OTHERS} and state <> 'idle'`),
  );
  return rows[0]?.busy;
}

test("10 000 requests while faults come and go leave no connection, timer, statement or memory behind, at either gateway", async () => {
  await askMany(WARM_UP);
  await sleep(QUIET_MS);
  const before = [await holdingOf(home), await holdingOf(work)];
  const codes = await askMany(REQUESTS);
  await sleep(QUIET_MS);

  expect(proxy.open).toBe(0);
  for (const gateway of [home, work]) {
    // A job of the gateway's own may just be running; what was left behind does not end.
    await expect.poll(() => statementsAt(gateway), { timeout: 20_000 }).toBe(0);
  }
  for (const [index, gateway] of [home, work].entries()) {
    const then = before[index];
    if (then === undefined) {
      throw new Error("a gateway was not measured");
    }
    // A pool lets go of what nobody has used for a minute, and jobs use some now and then: what was left behind stays.
    await expect
      .poll(async () => heldMore(then, await holdingOf(gateway)), { timeout: DATABASE_QUIET_MS, interval: 1_000 })
      .toEqual({});
    expect((await holdingOf(gateway)).heapBytes - then.heapBytes).toBeLessThan(REQUESTS * HEAP_BYTES_A_REQUEST);
  }
  // All of it happened, and nothing else.
  const expected = ["OK", "gone", "PEER_TIMEOUT", "PEER_UNREACHABLE", "PEER_UNTRUSTED", "CIRCUIT_OPEN"];
  expect(Object.keys(codes)).toEqual(expect.arrayContaining(expected));
  const allowed = [...expected, "NOT_FOUND", "DEADLINE_EXCEEDED"];
  expect(Object.keys(codes).filter((code) => !allowed.includes(code))).toEqual([]);
  // Both serve as before, once connections that were let go of are there again: on a busy machine that takes longer than a peer may.
  const client = new Pool(home.homeUrl);
  await expect.poll(() => ask(client, { hangsUp: false }), { timeout: 20_000 }).toMatch(/^(OK|NOT_FOUND)$/);
  await client.destroy();
}, 900_000);
