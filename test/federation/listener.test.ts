import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { Client } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { HOME, task, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { openSigner } from "../harness/signer.ts";

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
let tls: { ca: string; cert: string; key: string };

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", { resources: ["tasks"], include_personal: true });
  const { certificate, key } = credentialsOf(alice.enrolled);
  tls = { ca: derToPem(alice.enrolled.rootDer, "CERTIFICATE"), cert: certificate, key };
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

async function send(options: {
  path?: string;
  method?: "POST" | "GET" | "PUT" | "DELETE";
  headers?: Record<string, string>;
  body?: string;
}): Promise<{ status: number; code: string | undefined; text: string }> {
  const client = new Client(work.gateway.federationUrl, { connect: tls });
  const { path = "/federation", method = "POST", headers = { "content-type": "application/json" }, body } = options;
  const answer = await client.request({ path, method, headers, ...(body === undefined ? {} : { body }) });
  const text = await answer.body.text();
  await client.destroy();
  const parsed = JSON.parse(text) as { errors?: { extensions: { code: string } }[] };
  return { status: answer.statusCode, code: parsed.errors?.[0]?.extensions.code, text };
}

const list = (variables: unknown): string => JSON.stringify({ documentId: "list", variables });

function openTls(options: Record<string, unknown> = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(work.gateway.federationUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ...tls, ...options }, () => {
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

describe("TLS", () => {
  test("is of version 1.3 and nothing older", async () => {
    await expect(openTls({ maxVersion: "TLSv1.2" })).rejects.toThrow();
    const socket = await openTls();
    expect(socket.getProtocol()).toBe("TLSv1.3");
    socket.destroy();
  });

  test("without a client certificate brings no answer", async () => {
    const socket = await openTls({ cert: undefined, key: undefined });
    const ended = new Promise<string>((resolve) => {
      socket.once("error", (error) => {
        resolve(String(error));
      });
      socket.once("close", () => {
        resolve("closed");
      });
      socket.on("data", (data: Buffer) => {
        resolve(`answered: ${data.toString()}`);
      });
    });
    socket.write("POST /federation HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    expect(await ended).not.toContain("answered");
  });

  test("resumes no session, so that every connection shows its certificate", async () => {
    const first = await openTls();
    const session = new Promise<Buffer | undefined>((resolve) => {
      first.once("session", resolve);
      setTimeout(resolve, 1_000, undefined);
    });
    first.write(
      "POST /federation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    );
    await new Promise((resolve) => first.once("data", resolve));
    expect(first.isSessionReused()).toBe(false);
    const second = await openTls({ session: await session });
    expect(second.isSessionReused()).toBe(false);
    first.destroy();
    second.destroy();
  });
});

describe("a request", () => {
  test("to another path, with another method or another type is refused by its code", async () => {
    expect(await send({ path: "/graphql", body: "{}" })).toMatchObject({ status: 404, code: "NOT_FOUND" });
    expect(await send({ method: "GET" })).toMatchObject({ status: 405, code: "METHOD_NOT_ALLOWED" });
    expect(await send({ headers: { "content-type": "text/plain" }, body: "{}" })).toMatchObject({
      status: 415,
      code: "UNSUPPORTED_MEDIA_TYPE",
    });
  });

  test("of more than 64 KiB is 413 BODY_TOO_LARGE, whether it says its length or not", async () => {
    const body = list({ resource: "x".repeat(70_000) });
    expect(await send({ body })).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
    const socket = await openTls();
    socket.write(
      "POST /federation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    socket.write(`11170\r\n${"x".repeat(70_000)}\r\n`);
    const answer = await new Promise<string>((resolve) =>
      socket.once("data", (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    expect(answer).toContain("413");
    socket.destroy();
  });

  test.each([
    [
      "without a Host",
      "POST /federation HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
      400,
    ],
    ["with an expectation that is unknown", "GET /federation HTTP/1.1\r\nhost: x\r\nexpect: a miracle\r\n\r\n", 405],
    ["for a tunnel", "CONNECT elsewhere:443 HTTP/1.1\r\nhost: x\r\n\r\n", 405],
    ["that is not HTTP", "HELLO\r\n\r\n", 400],
  ])("%s is refused, costs a token, and is in the audit log", async (_, text, status) => {
    const before = (await auditRows(work, alice.grantId)).length;
    const socket = await openTls();
    socket.write(text);
    const answer = await new Promise<string>((resolve) =>
      socket.once("data", (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    socket.destroy();
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/^ratelimit: "grant";r=\d+;t=\d+\r$/im);
    const rows = await auditRows(work, alice.grantId);
    expect(rows).toHaveLength(before + 1);
    expect(rows[0]).toMatchObject({ outcome: "denied" });
  });

  test("of just under 64 KiB is read", async () => {
    const body = list({
      resource: "tasks",
      filter: { title: { in: Array.from({ length: 15 }, () => "x".repeat(4_000)) } },
    });
    expect(body.length).toBeLessThan(65_536);
    expect(await send({ body })).toMatchObject({ status: 200 });
  });

  test("names a stored document and brings none", async () => {
    for (const body of [
      { query: "{ __schema { types { name } } }" },
      { documentId: "list", query: "{ __typename }", variables: { resource: "tasks" } },
      { documentId: "__schema" },
      { documentId: "query list { list }" },
      [{ documentId: "capabilities" }, { documentId: "capabilities" }],
    ]) {
      expect(await send({ body: JSON.stringify(body) })).toMatchObject({ status: 400, code: "BAD_REQUEST" });
    }
    expect(await send({ body: JSON.stringify({ documentId: "capabilities" }) })).toMatchObject({ status: 200 });
  });

  test("that is malformed is 400 and has an audit row", async () => {
    const before = (await auditRows(work, alice.grantId)).filter(({ code }) => code === "BAD_REQUEST").length;
    expect(await send({ body: "{" })).toMatchObject({ status: 400, code: "BAD_REQUEST" });
    expect((await auditRows(work, alice.grantId)).filter(({ code }) => code === "BAD_REQUEST")).toHaveLength(
      before + 1,
    );
  });

  test("has the same error body and a request id that the audit log holds too", async () => {
    const { text } = await send({ body: list({ resource: "nonsense" }) });
    const error = (JSON.parse(text) as { errors: { message: string; extensions: Record<string, string> }[] }).errors[0];
    expect(Object.keys(error ?? {})).toEqual(["message", "extensions"]);
    expect(Object.keys(error?.extensions ?? {})).toEqual(["code", "requestId"]);
    await auditRows(work);
    const { rows } = await work.pool.query("select code from federation.list_audit() where request_id = $1", [
      error?.extensions["requestId"],
    ]);
    expect(rows).toEqual([{ code: "RESOURCE_DENIED" }]);
  });
});

describe("what is no HTTP", () => {
  test("is 400 BAD_REQUEST on a connection with a certificate, and has an audit row", async () => {
    const socket = await openTls();
    const answered = new Promise<string>((resolve) =>
      socket.once("data", (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    socket.write("NONSENSE\r\n\r\n");
    const answer = await answered;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    const requestId = /"requestId":"([^"]+)"/.exec(answer)?.[1];
    await auditRows(work);
    const { rows } = await work.pool.query(
      "select grant_id, outcome, code from federation.list_audit() where request_id = $1",
      [requestId],
    );
    expect(rows).toEqual([{ grant_id: alice.grantId, outcome: "denied", code: "BAD_REQUEST" }]);
  });
});

describe("a body that ends early", () => {
  test("is one refused request: one audit row, one token", async () => {
    const { rows: before } = await work.pool.query<{ n: string }>(
      "select count(*) as n from federation.list_audit(null, 1000)",
    );
    const socket = await openTls();
    socket.write(
      'POST /federation HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"documentId"',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 700));
    const { rows: after } = await work.pool.query<{ n: string }>(
      "select count(*) as n from federation.list_audit(null, 1000)",
    );
    expect(Number(after[0]?.n) - Number(before[0]?.n)).toBe(1);
  });
});

describe("a slow client", () => {
  test("that sends its headers by drops is cut, while others are served", async () => {
    const socket = await openTls();
    const closed = new Promise<boolean>((resolve) =>
      socket.once("close", () => {
        resolve(true);
      }),
    );
    socket.on("error", () => undefined);
    socket.write("POST /federation HTTP/1.1\r\n");
    const drops = setInterval(() => socket.write("x-drop: 1\r\n"), 500);
    expect(await send({ body: list({ resource: "tasks" }) })).toMatchObject({ status: 200 });
    const timer = new Promise<boolean>((resolve) => setTimeout(resolve, 25_000, false));
    expect(await Promise.race([closed, timer])).toBe(true);
    clearInterval(drops);
  });

  test("that sends its body by drops is answered 408 or cut", async () => {
    const socket = await openTls();
    socket.on("error", () => undefined);
    const ended = new Promise<string>((resolve) => {
      socket.once("data", (data: Buffer) => {
        resolve(data.toString());
      });
      socket.once("close", () => {
        resolve("closed");
      });
    });
    socket.write(
      "POST /federation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n",
    );
    const drops = setInterval(() => socket.write(" "), 500);
    expect(await ended).toMatch(/408|closed/);
    clearInterval(drops);
  });

  test("that opens a connection and says nothing of TLS is cut", async () => {
    const { hostname, port } = new URL(work.gateway.federationUrl);
    const socket = connectTcp({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    const timer = new Promise<boolean>((resolve) => setTimeout(resolve, 25_000, false));
    expect(
      await Promise.race([
        new Promise((resolve) =>
          socket.once("close", () => {
            resolve(true);
          }),
        ),
        timer,
      ]),
    ).toBe(true);
  });
});

describe("the bucket of a grant", () => {
  test("when it is empty is 429 RATE_LIMITED with Retry-After, audited, and nobody else's", async () => {
    const tight = await openTestGateway("tight.localhost", WORK, { limits: { requestsPerMinute: 3 } });
    try {
      const grant = await enrollGrant(tight, home, "alice", "alice-at-home", {
        resources: ["tasks"],
        include_personal: true,
      });
      const other = await enrollGrant(tight, home, "bob", "bob-at-home", {
        resources: ["tasks"],
        include_personal: true,
      });
      const ask = async ({ enrolled }: TestGrant): Promise<{ status: number; retryAfter: string | undefined }> => {
        const { certificate: cert, key } = credentialsOf(enrolled);
        const client = new Client(tight.gateway.federationUrl, {
          connect: { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key },
        });
        const { statusCode, headers, body } = await client.request({
          method: "POST",
          path: "/federation",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ documentId: "get", variables: { resource: "tasks", id: task(5) } }),
        });
        await body.dump();
        await client.destroy();
        return { status: statusCode, retryAfter: headers["retry-after"]?.toString() };
      };
      for (let index = 0; index < 3; index += 1) {
        expect((await ask(grant)).status).toBe(200);
      }
      const refused = await ask(grant);
      expect(refused.status).toBe(429);
      expect(Number(refused.retryAfter)).toBeGreaterThan(0);
      expect((await ask(other)).status).toBe(404);
      expect(await auditRows(tight, grant.grantId)).toContainEqual(
        expect.objectContaining({ outcome: "denied", code: "RATE_LIMITED" }),
      );
    } finally {
      await tight.stop();
    }
  });
});

describe("the public listener", () => {
  async function get(path: string): Promise<{ status: number; bytes: Buffer }> {
    const client = new Client(work.gateway.publicUrl, { connect: { ca: tls.ca } });
    const { statusCode, body } = await client.request({ method: "GET", path });
    const bytes = Buffer.from(await body.arrayBuffer());
    await client.destroy();
    return { status: statusCode, bytes };
  }

  test("has a thousand connections at most, of anybody, and goes on when they end", async () => {
    const { hostname, port } = new URL(work.gateway.publicUrl);
    const open = async (): Promise<Socket> => {
      const socket = connectTcp(Number(port), hostname);
      // One that is over the limit may be reset.
      socket.on("error", () => undefined).resume();
      await once(socket, "connect");
      return socket;
    };
    const sockets = await Promise.all(Array.from({ length: 1_020 }, open));
    const idle = (): number => sockets.filter(({ closed }) => !closed).length;
    // Sooner than the ten seconds after which those that say nothing end.
    await expect.poll(idle, { timeout: 5_000 }).toBeLessThanOrEqual(1_000);
    // A gateway that asks for the list of revoked certificates may have one or another.
    expect(idle()).toBeGreaterThan(990);
    sockets.forEach((socket) => socket.destroy());
    await expect.poll(async () => (await get("/healthz")).status, { timeout: 10_000 }).toBe(200);
  });

  test("shows the root, a CRL that its signer signed, and health, and nothing else", async () => {
    const { readCrl } = await import("../../src/pki/crl.ts");
    expect((await get("/root.pem")).bytes.toString()).toBe(tls.ca);
    expect(JSON.parse((await get("/healthz")).bytes.toString())).toEqual({ status: "ok" });
    const grant = await enrollGrant(work, home, "carol", "bob-at-home", { resources: ["tasks"] });
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    const signer = await openSigner(work.directory);
    const { revokedSerials } = readCrl((await get("/crl")).bytes, signer.certificateDer);
    expect(revokedSerials).toContain(grant.enrolled.serial);
    expect(revokedSerials).not.toContain(alice.enrolled.serial);
    for (const path of ["/", "/federation", "/graphql", "/enroll/", "/..", "/crl/../secrets"]) {
      expect((await get(path)).status).toBe(404);
    }
  });
});
