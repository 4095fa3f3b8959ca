import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { connect as connectPlain } from "node:net";
import type { Socket } from "node:net";
import type { PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { createToken, credentialsOf } from "../../src/demo/actors.ts";
import { derToPem } from "../../src/pki/der.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";
const REQUESTS_PER_MINUTE = 100_000;
const STATEMENT_MS = 5_000;
/** More than the connections of the pool, so that one that is lost is missed. */
const HANG_UPS = 200;

// The embedded database answers one statement at a time, and cannot be asked what runs meanwhile, nor hold a lock beside it.
const hasBackends = inject("template").kind === "postgres";

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
beforeAll(async () => {
  const limits = { requestsPerMinute: REQUESTS_PER_MINUTE, statementTimeoutMs: STATEMENT_MS };
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK, { limits }),
    openTestGateway("home.localhost", HOME, {
      limits: { ...limits, peerTimeoutMs: 20_000 },
      circuit: { failures: 1_000 },
      cache: { bytes: 0 },
    }),
  ]);
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

/** A request to work's federation listener as it is on the wire, on a connection of its own that is open. */
async function sendToWork(headers: Record<string, string> = {}): Promise<TLSSocket> {
  const { certificate: cert, key } = credentialsOf(grant.enrolled);
  const { hostname: host, port } = new URL(work.gateway.federationUrl);
  const socket = connect({ host, port: Number(port), cert, key, ca: derToPem(grant.enrolled.rootDer, "CERTIFICATE") });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve).once("error", reject);
  });
  socket.on("error", () => undefined);
  send(socket, "/federation", { documentId: "list", variables: { resource: "tasks" } }, headers);
  return socket;
}

const tokenOfAlice = (): Promise<string> => createToken(home.directory, "alice-at-home");

/** The same to home's listener, as Alice, by a token of hers or a new one. */
async function sendToHome(headers: Record<string, string> = {}, source = "local", known?: string): Promise<Socket> {
  const token = known ?? (await tokenOfAlice());
  const { hostname: host, port } = new URL(home.gateway.homeUrl);
  const socket = connectPlain({ host, port: Number(port) });
  socket.on("error", () => undefined);
  send(
    socket,
    "/graphql",
    { query: `{ list(resource: "tasks", source: "${source}") { rows sources { error { code } } } }` },
    { authorization: `Bearer ${token}`, ...headers },
  );
  return socket;
}

function send(socket: Socket, path: string, content: unknown, headers: Record<string, string>): void {
  const body = JSON.stringify(content);
  const lines = Object.entries({
    host: "127.0.0.1",
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

async function textOn(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString();
}

async function answerOn(socket: Socket): Promise<{ status: number; code: string }> {
  const text = await textOn(socket);
  return { status: Number(text.slice(9, 12)), code: /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? "OK" };
}

const codesAtWork = async (): Promise<[verb: string, outcome: string, code: string][]> =>
  (await auditRows(work, grant.grantId))
    // Requests, not what administrators did.
    .filter(({ verb }) => verb === "list" || verb === "unknown")
    .map(({ verb, outcome, code }) => [verb, outcome, code]);

/** Statements that wait for a lock now. */
async function waitingAt(gateway: TestGateway): Promise<number> {
  const { rows } = await gateway.pool.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows[0]?.count ?? -1;
}

/** What becomes of `look` within a while, ms: the first time that it is as it should be, or the last time. */
async function soon<T>(look: () => Promise<T>, is: (value: T) => boolean, ms = 5_000): Promise<T> {
  const until = performance.now() + ms;
  for (;;) {
    const value = await look();
    if (is(value) || performance.now() > until) {
      return value;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** How many statements wait for a lock, as soon as it is so many, or after a while, ms. */
const waitingSoon = (gateway: TestGateway, wanted: number, ms?: number): Promise<number> =>
  soon(
    () => waitingAt(gateway),
    (count) => count === wanted,
    ms,
  );

let locker: PoolClient | undefined;
async function lockTable(gateway: TestGateway, table: string): Promise<void> {
  locker = await gateway.pool.connect();
  await locker.query(`begin; lock table ${table} in access exclusive mode`);
}
const lockTasks = (gateway: TestGateway): Promise<void> => lockTable(gateway, "app.tasks");
async function unlock(): Promise<void> {
  await locker?.query("rollback");
  locker?.release();
  locker = undefined;
}
afterEach(unlock);

describe.runIf(hasBackends)("on a server with a process for each connection", () => {
  test("a caller's deadline crosses the boundary, and what the peer ran for it is cancelled", async () => {
    await lockTasks(work);
    const before = (await codesAtWork()).length;
    const asking = homeQuery(
      home,
      "alice-at-home",
      `{ list(resource: "tasks", source: "all") { rows sources { source error { code } } } }`,
      {},
      { "mosaic-timeout-ms": "1500" },
    );
    expect(await waitingSoon(work, 1)).toBe(1);
    const answer = await asking;
    expect(answer.data).toMatchObject({
      list: {
        sources: [
          { source: "local", error: null },
          { source: SOURCE, error: { code: "PEER_TIMEOUT" } },
        ],
      },
    });
    // Well before the limit of a statement; the lock is still held.
    expect(await waitingSoon(work, 0, STATEMENT_MS / 2)).toBe(0);
    const rows = await codesAtWork();
    expect(rows).toHaveLength(before + 1);
    expect(["DEADLINE_EXCEEDED", "CANCELLED"]).toContain(rows[0]?.[2]);
    expect(rows[0]?.slice(0, 2)).toEqual(["list", "failed"]);
  });

  test("a peer whose time is up is told so by 504, what ran for it is cancelled, and the log has it", async () => {
    await lockTasks(work);
    const socket = await sendToWork({ "mosaic-timeout-ms": "300" });
    expect(await answerOn(socket)).toEqual({ status: 504, code: "DEADLINE_EXCEEDED" });
    expect(await waitingSoon(work, 0, STATEMENT_MS / 2)).toBe(0);
    expect((await codesAtWork())[0]).toEqual(["list", "failed", "DEADLINE_EXCEEDED"]);
  });

  test("a peer gets no more time than the gateway gives, whatever it asks for", async () => {
    await lockTasks(work);
    const started = performance.now();
    const socket = await sendToWork({ "mosaic-timeout-ms": "600000" });
    const { status } = await answerOn(socket);
    expect([503, 504]).toContain(status);
    expect(performance.now() - started).toBeGreaterThan(STATEMENT_MS - 500);
    expect(await waitingAt(work)).toBe(0);
  });

  test("a peer that hangs up frees its database connection, and the log has it", async () => {
    await lockTasks(work);
    const socket = await sendToWork();
    expect(await waitingSoon(work, 1)).toBe(1);
    socket.destroy();
    expect(await waitingSoon(work, 0, STATEMENT_MS / 2)).toBe(0);
    expect((await codesAtWork())[0]).toEqual(["list", "failed", "CANCELLED"]);
  });

  test("a local user who hangs up frees the connection at home", async () => {
    await lockTasks(home);
    const socket = await sendToHome();
    expect(await waitingSoon(home, 1)).toBe(1);
    socket.destroy();
    expect(await waitingSoon(home, 0, STATEMENT_MS / 2)).toBe(0);
  });

  test.each(["federation.federation_user_tokens", "federation.federation_peers"])(
    "a local user waits for %s no longer than they say, and whoever hangs up frees the connection",
    async (table) => {
      const token = await tokenOfAlice();
      await lockTable(home, table);
      expect(await answerOn(await sendToHome({ "mosaic-timeout-ms": "300" }, "local", token))).toEqual({
        status: 504,
        code: "DEADLINE_EXCEEDED",
      });
      const socket = await sendToHome({}, "local", token);
      expect(await waitingSoon(home, 1)).toBe(1);
      socket.destroy();
      expect(await waitingSoon(home, 0, STATEMENT_MS / 2)).toBe(0);
    },
  );

  test("a local user who hangs up frees the connection at the peer, too", async () => {
    await lockTasks(work);
    const socket = await sendToHome({}, SOURCE);
    expect(await waitingSoon(work, 1)).toBe(1);
    socket.destroy();
    expect(await waitingSoon(work, 0, STATEMENT_MS / 2)).toBe(0);
    expect((await codesAtWork())[0]).toEqual(["list", "failed", "CANCELLED"]);
  });

  test("a grant that is audited strictly has the row of a request that was given up, too", async () => {
    await work.pool.query("select federation.set_grant_audit($1, 'strict')", [grant.grantId]);
    await lockTasks(work);
    const socket = await sendToWork();
    expect(await waitingSoon(work, 1)).toBe(1);
    socket.destroy();
    expect((await soon(codesAtWork, ([row]) => row?.[2] === "CANCELLED"))[0]).toEqual(["list", "failed", "CANCELLED"]);
    await work.pool.query("select federation.set_grant_audit($1, 'async')", [grant.grantId]);
  });

  test("hang-ups that wait for their turn leave the queue: nothing runs for them when the lock is gone", async () => {
    await lockTasks(work);
    const sockets = await Promise.all(Array.from({ length: 40 }, () => sendToWork()));
    expect(
      await soon(
        () => waitingAt(work),
        (count) => count > 0,
      ),
    ).toBeGreaterThan(0);
    sockets.forEach((socket) => socket.destroy());
    expect(await waitingSoon(work, 0, STATEMENT_MS / 2)).toBe(0);
    await unlock();
    expect((await answerOn(await sendToWork())).status).toBe(200);
    expect((await codesAtWork()).filter(([, , code]) => code === "CANCELLED").length).toBeGreaterThanOrEqual(40);
  });
});

describe("on every database", () => {
  test.each(["0", "-5", "1.5", "soon", "1e3", "9999999999", ""])(
    "the deadline %j is a bad request to a peer, with its audit row, and to a local user",
    async (header) => {
      const before = (await codesAtWork()).length;
      expect(await answerOn(await sendToWork({ "mosaic-timeout-ms": header }))).toEqual({
        status: 400,
        code: "BAD_REQUEST",
      });
      const rows = await codesAtWork();
      expect(rows).toHaveLength(before + 1);
      expect(rows[0]?.slice(1)).toEqual(["denied", "BAD_REQUEST"]);
      expect(await answerOn(await sendToHome({ "mosaic-timeout-ms": header }))).toEqual({
        status: 400,
        code: "BAD_REQUEST",
      });
      // The same without the header, or with a good one, is answered.
      expect((await answerOn(await sendToWork({ "mosaic-timeout-ms": "60000" }))).status).toBe(200);
    },
  );

  test(`after ${HANG_UPS} hang-ups at each gateway the pools serve as before, and whoever came cost a token and is in the log`, async () => {
    grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    for (let n = 0; n < HANG_UPS; n += 10) {
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          // The one that takes longer to send, first: the other would be answered meanwhile.
          const sockets = [await sendToHome({}, "all"), await sendToWork()];
          // At different points of the request's way; some have gone before they arrive.
          await new Promise((resolve) => setTimeout(resolve, index));
          sockets.forEach((socket) => socket.destroy());
        }),
      );
    }
    const served = { status: 200, code: "OK" };
    for (const again of [() => sendToHome({}, "all"), () => sendToWork()]) {
      const answers = await Promise.all(Array.from({ length: 30 }, async () => answerOn(await again())));
      expect(answers).toEqual(Array.from({ length: 30 }, () => served));
    }
    const rows = await codesAtWork();
    const last = await sendToWork();
    const text = await textOn(last);
    const taken = REQUESTS_PER_MINUTE - Number(/^ratelimit: "grant";r=(\d+)/im.exec(text)?.[1]);
    expect(rows).toHaveLength(taken - 1);
    const cancelled = rows.filter(([, , code]) => code === "CANCELLED");
    expect(cancelled).not.toHaveLength(0);
    // A body may have ended early, too.
    expect(["OK", "CANCELLED", "BAD_REQUEST"]).toEqual(expect.arrayContaining(rows.map(([, , code]) => code)));
  });
});
