import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { connect } from "node:tls";
import { Agent, Client } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const LIST = { documentId: "list", variables: { resource: "tasks" } };

let work: TestGateway;
let home: TestGateway;
beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK, { limits: { databaseConnections: 6, waitingRequests: 30 } }),
    openTestGateway("home.localhost", HOME),
  ]);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

const newGrant = (): Promise<TestGrant> => enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
const tlsOf = ({ enrolled }: TestGrant): { ca: string; cert: string; key: string } => {
  const { certificate: cert, key } = credentialsOf(enrolled);
  return { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key };
};

interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: { data?: unknown; errors?: { extensions: Record<string, unknown> }[] };
}
async function ask(
  client: Client | Agent,
  body: unknown = LIST,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const answer = await client.request({
    ...(client instanceof Agent ? { origin: work.gateway.federationUrl } : {}),
    method: "POST",
    path: "/federation",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.statusCode, headers: answer.headers, body: (await answer.body.json()) as Answered["body"] };
}
async function withClient<T>(grant: TestGrant, work_: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(work.gateway.federationUrl, { connect: tlsOf(grant) });
  try {
    return await work_(client);
  } finally {
    await client.destroy();
  }
}

describe("the share of a grant", () => {
  test("is sixty requests a minute: the 61st is 429 with Retry-After, a body for programs, and an audit row", async () => {
    const grant = await newGrant();
    await withClient(grant, async (client) => {
      for (let n = 1; n <= 60; n += 1) {
        const { status, headers } = await ask(client);
        expect(status).toBe(200);
        expect(headers["ratelimit-policy"]).toBe('"grant";q=60;w=60');
        expect(headers["ratelimit"]).toMatch(new RegExp(`^"grant";r=${60 - n};t=\\d+$`));
      }
      const refused = await ask(client);
      const wait = Number(refused.headers["retry-after"]);
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(61);
      expect(refused).toMatchObject({
        status: 429,
        headers: { ratelimit: expect.stringMatching(/^"grant";r=0;t=\d+$/) as unknown },
        body: {
          errors: [{ extensions: { code: "RATE_LIMITED", limit: 60, remaining: 0, window: 60, retryAfter: wait } }],
        },
      });
    });
    expect((await auditRows(work, grant.grantId))[0]).toMatchObject({ outcome: "denied", code: "RATE_LIMITED" });
  });

  test("is used up by refused requests, too, and every answer says what is left", async () => {
    const grant = await newGrant();
    await withClient(grant, async (client) => {
      for (const [body, status] of [
        [LIST, 200],
        [{ documentId: "get", variables: { resource: "tasks", id: "nobody's" } }, 400],
        [{ documentId: "get", variables: { resource: "notes", id: "x" } }, 403],
        [{ documentId: "nothing" }, 400],
      ] as const) {
        const answer = await ask(client, body);
        expect(answer.status).toBe(status);
        expect(answer.headers["ratelimit"]).toBeDefined();
      }
      expect((await ask(client)).headers["ratelimit"]).toMatch(/r=55;/);
      await work.pool.query("select federation.suspend_grant($1)", [grant.grantId]);
      const suspended = await ask(client);
      expect(suspended.status).toBe(403);
      expect(suspended.headers["ratelimit"]).toMatch(/r=54;/);
    });
  });

  test("changes with the next request: an administrator's command raises and lowers it while the gateway runs", async () => {
    const grant = await newGrant();
    await withClient(grant, async (client) => {
      for (let n = 0; n < 60; n += 1) {
        await ask(client);
      }
      expect((await ask(client)).status).toBe(429);
      const limit = (...more: string[]): Promise<{ code: number | null; stdout: string }> =>
        runMosaic(["federation", "grant", "limit", grant.grantId, "--dir", work.directory, ...more]);
      expect((await limit("--per-minute", "600")).stdout).toContain("may make 600 a minute");
      const raised = await ask(client);
      expect(raised.status).toBe(200);
      expect(raised.headers["ratelimit-policy"]).toBe('"grant";q=600;w=60');
      expect((await limit()).code).toBe(0);
      expect((await ask(client)).status).toBe(429);
      expect((await limit("--per-minute", "0")).code).toBe(65);
    });
  });
});

describe("metrics", () => {
  test("on the home listener count requests by their end, and what the audit queue holds and dropped, and name nobody", async () => {
    const response = await fetch(`${work.gateway.homeUrl}/metrics`);
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(text).toMatch(/^mosaic_requests_total\{[^}]*code="RATE_LIMITED"[^}]*\} [1-9]/m);
    expect(text).toMatch(/^mosaic_audit_queue_rows \d+/m);
    expect(text).toMatch(/^mosaic_audit_dropped_total 0/m);
    expect(text).toMatch(/^mosaic_request_duration_milliseconds_bucket\{.*le="100"\} /m);
    expect(text).not.toMatch(/alice|home\.localhost|[0-9a-f]{8}-[0-9a-f]{4}/);
  });
});

describe("a grant that is audited strictly", () => {
  test("gets an answer once its row is durable, and none that cannot be audited", async () => {
    const grant = await newGrant();
    const mode = await runMosaic(["federation", "grant", "audit", grant.grantId, "strict", "--dir", work.directory]);
    expect(mode.code).toBe(0);
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const rows = async (): Promise<unknown[]> => {
      const { rows: written } = await work.pool.query(
        "select verb, outcome, code, row_count, trace_id from federation.federation_audit_log where grant_id = $1 and verb in ('list', 'get') order by id",
        [grant.grantId],
      );
      return written;
    };
    await withClient(grant, async (client) => {
      const answer = await ask(client, LIST, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
      expect(answer.status).toBe(200);
      // At once: the answer left after the row.
      expect(await rows()).toEqual([
        { verb: "list", outcome: "served", code: "OK", row_count: expect.any(Number) as unknown, trace_id: traceId },
      ]);
      expect((await ask(client, { documentId: "get", variables: { resource: "notes", id: "x" } })).status).toBe(403);
      expect(await rows()).toHaveLength(2);

      await work.pool.query("alter function federation.append_audit(jsonb, text) rename to append_audit_away");
      try {
        const refused = await ask(client);
        expect(refused.status).toBe(503);
        expect(refused.body.data).toBeUndefined();
        expect(refused.headers["retry-after"]).toBeDefined();
      } finally {
        await work.pool.query("alter function federation.append_audit_away(jsonb, text) rename to append_audit");
      }
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      // What waited says that nothing left.
      expect((await rows())[2]).toMatchObject({ verb: "list", outcome: "failed", code: "UNAVAILABLE", row_count: 0 });
      expect((await ask(client)).status).toBe(200);
    });
  });
});

describe.runIf(inject("template").kind === "postgres")("an answer that waits for its audit row", () => {
  test("does not leave once the gateway knows that the grant was revoked (on a server: the embedded database runs one transaction at a time)", async () => {
    const grant = await newGrant();
    await work.pool.query("select federation.set_grant_audit($1, 'strict')", [grant.grantId]);
    const { hostname, port } = new URL(work.gateway.federationUrl);
    const idle = connect({ ...tlsOf(grant), host: hostname, port: Number(port) });
    idle.on("error", () => undefined);
    await once(idle, "secureConnect");
    await withClient(grant, async (client) => {
      expect((await ask(client)).status).toBe(200);
      const holder = await work.pool.connect();
      await holder.query("begin");
      await holder.query("select from federation.federation_audit_chains where chain like 'requests-%' for update");
      const answering = ask(client).then(
        ({ status }) => status,
        () => "cut off",
      );
      const waits = async (): Promise<number | null> =>
        (
          await work.pool.query(
            "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%append_audit%'",
          )
        ).rowCount;
      await expect.poll(waits, { timeout: 20_000 }).toBe(1);
      const known = once(idle, "close");
      await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
      await known;
      await holder.query("commit");
      holder.release();
      expect([403, 401, "cut off"]).toContain(await answering);
    });
  });
});

describe("handshakes that are refused", () => {
  test("to whoever has no certificate do not crowd out those of a revoked one", async () => {
    const grant = await newGrant();
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    const { hostname, port } = new URL(work.gateway.federationUrl);
    const refused = async (): Promise<void> => {
      const socket = connectTcp({ host: hostname, port: Number(port) }, () => socket.write("GET / HTTP/1.1\r\n\r\n"));
      socket.on("error", () => undefined);
      await once(socket, "close");
    };
    for (let sent = 0; sent < 70; sent += 1) {
      await refused();
    }
    await expect(withClient(grant, (client) => ask(client))).rejects.toThrow();
    const handshakes = async (): Promise<unknown[]> =>
      (await auditRows(work, grant.grantId)).filter(({ verb }) => verb === "handshake");
    await expect.poll(handshakes, { timeout: 10_000 }).not.toHaveLength(0);
  });
});

describe("a greedy grant", () => {
  test("that sends two hundred requests at once does not keep another's from being served", async () => {
    const [greedy, modest] = await Promise.all([newGrant(), newGrant()]);
    for (const { grantId } of [greedy, modest]) {
      await work.pool.query("select federation.set_grant_limits($1, 100000, null)", [grantId]);
    }
    // Each verb takes a while, so that the gateway is busy in earnest.
    await work.pool.query(`
      create function app.slowly() returns boolean language sql volatile as 'select pg_sleep(0.02) is not null';
      grant usage on schema app to federation_peer;
      grant execute on function app.slowly() to federation_peer;
      create policy slowly on app.tasks as restrictive for select to federation_peer using ((select app.slowly()))`);
    // Two hundred handshakes at once take a busy machine a while.
    const agent = new Agent({ connect: { ...tlsOf(greedy), timeout: 60_000 }, connections: 200, pipelining: 1 });
    let flooding = true;
    const codes: number[] = [];
    const flood = Array.from({ length: 200 }, async () => {
      while (flooding) {
        codes.push((await ask(agent)).status);
      }
    });
    try {
      // All of them are connected, and ask.
      await expect.poll(() => codes.length, { timeout: 45_000 }).toBeGreaterThan(200);
      await withClient(modest, async (client) => {
        for (let n = 0; n < 20; n += 1) {
          expect((await ask(client)).status).toBe(200);
        }
      });
    } finally {
      flooding = false;
      await Promise.all(flood);
      await agent.destroy();
      await work.pool.query("drop policy slowly on app.tasks; drop function app.slowly()");
    }
    expect(codes.filter((status) => status === 200).length).toBeGreaterThan(20);
    expect(codes.filter((status) => status === 503).length).toBeGreaterThan(20);
  });
});
