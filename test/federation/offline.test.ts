import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { openFaultProxy } from "../harness/fault-proxy.ts";
import type { FaultProxy } from "../harness/fault-proxy.ts";
import { enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { HomeAnswer, TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { addAdministrator, ask as askPages, signInByToken } from "../harness/pages.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";
const FAILURES = 3;
// Longer than ten requests take on a busy machine.
const COOLDOWN_MS = 5_000;

let work: TestGateway;
let home: TestGateway;
let proxy: FaultProxy;
beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, {
      limits: { requestsPerMinute: 100_000, peerTimeoutMs: 1_000 },
      circuit: { failures: FAILURES, cooldownMs: COOLDOWN_MS },
      cache: { bytes: 0 },
    }),
  ]);
  await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  proxy = await openFaultProxy(new URL(work.gateway.federationUrl));
  await home.pool.query("update federation.federation_peers set federation_url = $1", [proxy.url]);
});
afterEach(async () => {
  await proxy.set({ kind: "none" });
  await new Promise((resolve) => setTimeout(resolve, COOLDOWN_MS + 100));
  await ask("local again", SOURCE);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
  await proxy.close();
});

const ask = (session: string, source = "all"): Promise<HomeAnswer> =>
  homeQuery(
    home,
    "alice-at-home",
    `query ($source: String!) { list(resource: "tasks", source: $source) { rows sources { source status error { code } } } }`,
    { source },
    { "mosaic-session": session.replaceAll(" ", "-") },
  );
const codeOf = (answer: HomeAnswer): string =>
  answer.errors?.[0]?.extensions.code ??
  (answer.data as { list: { sources: { source: string; error: { code: string } | null }[] } }).list.sources.find(
    ({ source }) => source === SOURCE,
  )?.error?.code ??
  "OK";
const rowsOf = (answer: HomeAnswer): number => (answer.data as { list: { rows: unknown[] } }).list.rows.length;

describe("a peer that does not answer", () => {
  test("acceptance 4 and 5: is not sent a packet once its circuit is open, and is asked again after the cooldown", async () => {
    expect(codeOf(await ask("four", SOURCE))).toBe("OK");
    proxy.seen();
    await proxy.set({ kind: "half-open" });
    // Each of these does leave.
    for (let n = 0; n < FAILURES; n += 1) {
      expect(codeOf(await ask("four", SOURCE))).toBe("PEER_TIMEOUT");
      expect(proxy.seen().bytes).toBeGreaterThan(0);
    }
    await proxy.set({ kind: "none" });
    for (let n = 0; n < 10; n += 1) {
      expect(codeOf(await ask("four", SOURCE))).toBe("CIRCUIT_OPEN");
    }
    expect(proxy.seen()).toEqual({ connections: 0, bytes: 0 });
    expect(await peerOf()).toMatchObject({ state: "degraded" });

    await new Promise((resolve) => setTimeout(resolve, COOLDOWN_MS + 50));
    expect(codeOf(await ask("four", SOURCE))).toBe("OK");
    expect(codeOf(await ask("four", SOURCE))).toBe("OK");
    expect(proxy.seen().bytes).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await peerOf()).toMatchObject({ state: "active" });
  });

  test("is active again with its first answer, though the process that found it degraded has ended", async () => {
    await home.pool.query(
      "select federation.set_peer_state(id, certificate_serial, 'degraded') from federation.federation_peers",
    );
    expect(await peerOf()).toMatchObject({ state: "degraded" });
    expect(codeOf(await ask("five", SOURCE))).toBe("OK");
    expect(await peerOf()).toMatchObject({ state: "active" });
  });

  test("acceptance 6: leaves the session its local rows, and is told of once in each session, and once when it is back", async () => {
    await proxy.set({ kind: "refused" });
    const offline = { source: SOURCE, state: "offline", message: "federation offline for work.localhost" };
    const first = await ask("six");
    expect(rowsOf(first)).toBe(2);
    expect(codeOf(first)).toBe("PEER_UNREACHABLE");
    expect(first.extensions?.signals).toEqual([offline]);
    const second = await ask("six");
    expect(rowsOf(second)).toBe(2);
    expect(second.extensions).toBeUndefined();
    expect((await ask("another session")).extensions?.signals).toEqual([offline]);

    const command = await runMosaic([
      ...["query", "list", "tasks", "--user", "alice-at-home", "--source", "all", "--dir", home.directory],
    ]);
    expect(command.code).toBe(0);
    expect(command.stderr).toBe("federation offline for work.localhost\n");
    expect(command.stdout).toContain("Water the plants");
    expect(command.stdout).toContain(`${SOURCE}: PEER_UNREACHABLE`);

    await proxy.set({ kind: "none" });
    await new Promise((resolve) => setTimeout(resolve, COOLDOWN_MS + 50));
    const back = await ask("six");
    expect(rowsOf(back)).toBe(5);
    expect(back.extensions?.signals).toEqual([
      { source: SOURCE, state: "online", message: "federation back online for work.localhost" },
    ]);
    expect((await ask("six")).extensions).toBeUndefined();
    expect((await ask("a third session")).extensions).toBeUndefined();
  });

  test("is told of in the answer that fails for it, too, and never to another user who names the session", async () => {
    await proxy.set({ kind: "refused" });
    const alone = await ask("seven", SOURCE);
    expect(codeOf(alone)).toBe("PEER_UNREACHABLE");
    expect(alone.extensions?.signals).toHaveLength(1);
    const other = await homeQuery(
      home,
      "bob-at-home",
      `{ list(resource: "tasks", source: "all") { rows } }`,
      {},
      { "mosaic-session": "seven" },
    );
    expect(other.extensions).toBeUndefined();
    const malformed = await homeQuery(home, "bob-at-home", "{ __typename }", {}, { "mosaic-session": "a b" });
    expect(malformed.status).toBe(400);
  });

  test("shows in status, in the pages, in the home API and in the metrics, with since when", async () => {
    await ask("eight", SOURCE);
    await proxy.set({ kind: "half-open" });
    for (let n = 0; n < FAILURES; n += 1) {
      await ask("eight", SOURCE);
    }
    // A gateway says every five seconds how it does.
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    const status = await runMosaic(["federation", "status", "--dir", home.directory, "--json"]);
    const { peers, gateways } = JSON.parse(status.stdout) as {
      peers: Record<string, unknown>[];
      gateways: { cache: unknown }[];
    };
    const said = {
      circuit: "open",
      lastFailureCode: "PEER_TIMEOUT",
      offlineSince: expect.any(String) as unknown,
      lastSuccessAt: expect.any(String) as unknown,
      lastFailureAt: expect.any(String) as unknown,
    };
    expect(peers).toEqual([expect.objectContaining({ host: "work.localhost", state: "degraded", ...said })]);
    expect(gateways).toEqual([
      expect.objectContaining({
        cache: { entries: 0, bytes: 0, hits: 0, misses: expect.any(Number) as unknown },
        audit: { waiting: 0, dropped: 0 },
        certificateUntil: expect.any(String) as unknown,
      }),
    ]);
    const { stdout } = await runMosaic(["federation", "status", "--dir", home.directory]);
    expect(stdout).toMatch(/work\.localhost +degraded +open .* PEER_TIMEOUT/);

    const pages = await askPages(
      await signInByToken(home, await addAdministrator(home, "hera")),
      "{ peers { host state circuit lastFailureCode offlineSince lastSuccessAt lastFailureAt } }",
    );
    expect(pages.data).toEqual({ peers: [{ host: "work.localhost", state: "degraded", ...said }] });

    const own = await homeQuery(
      home,
      "alice-at-home",
      "{ allPeers { nodes { host circuit lastFailureCode offlineSince } } }",
    );
    expect(own.data).toMatchObject({
      allPeers: { nodes: [{ host: "work.localhost", circuit: "OPEN".toLowerCase(), lastFailureCode: "PEER_TIMEOUT" }] },
    });
    const metrics = await (await fetch(`${home.gateway.homeUrl}/metrics`)).text();
    expect(metrics).toMatch(/^mosaic_peer_circuit_open\{peer="work.localhost"\} 1$/m);
    expect(metrics).toMatch(/^mosaic_peer_requests_total\{.*code="PEER_TIMEOUT".*\} [1-9]/m);
    expect(metrics).toMatch(/^mosaic_certificate_expiry_seconds \d+/m);
    expect(metrics).toMatch(/^mosaic_peer_certificate_expiry_seconds\{peer="work.localhost"\} \d+/m);
    expect(metrics).not.toContain("alice");
  });
});

async function peerOf(): Promise<{ state: string } | undefined> {
  const { rows } = await home.pool.query<{ state: string }>("select state from federation.list_peers()");
  return rows[0];
}

describe("an answer source by source", () => {
  async function stream(body: unknown): Promise<{ event: string; data: Record<string, unknown>; at: number }[]> {
    const started = performance.now();
    const response = await fetch(`${home.gateway.homeUrl}/stream`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await createToken(home.directory, "alice-at-home")}`,
      },
      body: JSON.stringify(body),
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events: { event: string; data: Record<string, unknown>; at: number }[] = [];
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const [, event = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        events.push({ event, data: JSON.parse(data) as Record<string, unknown>, at: performance.now() - started });
        text = text.slice(end + 2);
      }
    }
    return events;
  }

  test("brings the local rows at once, and the slow peer's when they come", async () => {
    await ask("warm", SOURCE);
    await proxy.set({ kind: "latency", ms: 600 });
    const events = await stream({ verb: "list", source: "all", variables: { resource: "tasks" } });
    expect(events.map(({ event, data }) => [event, data["source"]])).toEqual([
      ["source", "local"],
      ["source", SOURCE],
      ["end", undefined],
    ]);
    const [local, remote] = events;
    expect(local?.data["rows"]).toHaveLength(2);
    expect(remote?.data["rows"]).toHaveLength(3);
    expect((remote?.at ?? 0) - (local?.at ?? 0)).toBeGreaterThan(400);
  });

  test("says what failed beside the others' rows, and tells of it", async () => {
    await proxy.set({ kind: "refused" });
    const events = await stream({ verb: "search", variables: { query: "plants" } });
    // Which of the two is the quicker, nobody knows.
    const failed = events.findIndex(({ event, data }) => event === "source" && data["source"] === SOURCE);
    expect(events[failed]?.data).toMatchObject({ status: "error", error: { code: "PEER_UNREACHABLE" } });
    expect(events[failed + 1]).toMatchObject({ event: "signal", data: { source: SOURCE, state: "offline" } });
    const rest = events.filter((_, index) => index !== failed && index !== failed + 1);
    expect(rest.map(({ event, data }) => [event, data["source"]])).toEqual([
      ["source", "local"],
      ["end", undefined],
    ]);
  });

  test("that cannot be begun is an error like any other", async () => {
    const token = await createToken(home.directory, "alice-at-home");
    for (const [body, status, code] of [
      [{ verb: "revoke" }, 400, "BAD_REQUEST"],
      [{ verb: "list", source: "federated:nowhere" }, 404, "PEER_UNKNOWN"],
    ] as const) {
      const response = await fetch(`${home.gateway.homeUrl}/stream`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ variables: { resource: "tasks" }, ...body }),
      });
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code } }] });
    }
  });
});
