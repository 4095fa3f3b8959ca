import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { ERROR_TABLE } from "../../src/errors.ts";
import { initGateway } from "../../src/setup/init.ts";
import { createGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { newRequest } from "../harness/renewal.ts";
import { freshGrant, SLOW_MS, withFunction } from "./arrange.ts";
import { SITUATIONS } from "./denials.ts";
import type { Situation } from "./denials.ts";
import { WORK } from "./employees.ts";
import { NEVER_SAID } from "./never-said.ts";
import { VERBS, wellSaid } from "./verbs.ts";
import type { Verb } from "./verbs.ts";
import { newTrace, say, speakerOf } from "./wire.ts";
import type { Heard, Said, Speaker } from "./wire.ts";

/** How long who hangs up waits before: the request has arrived, and its statement takes longer. */
const HANG_UP_MS = SLOW_MS / 3;

let work: TestGateway;
beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK, { limits: { requestsPerMinute: 100_000 } });
});
afterAll(() => work.stop());

interface Logged {
  verb: string;
  outcome: string;
  code: string;
  grant_id: string | null;
  request_id: string;
}

async function loggedOf(traceId: string): Promise<Logged[]> {
  const { rows } = await work.pool.query<Logged>(
    "select verb, outcome, code, grant_id, request_id from federation.federation_audit_log where trace_id = $1",
    [traceId],
  );
  return rows;
}

/** A refused handshake has no request and so no trace. */
async function handshakes(grantId: string | null, codes: string[]): Promise<number> {
  const { rows } = await work.pool.query<{ n: number }>(
    `select count(*)::int as n from federation.federation_audit_log
     where verb = 'handshake' and outcome = 'denied' and grant_id is not distinct from $1 and code = any ($2)`,
    [grantId, codes],
  );
  return rows[0]?.n ?? -1;
}

/** Sends a request by hand: whole and then hangs up, or without its last bytes. */
async function sayByHand(speaker: Speaker, said: Said, how: "half" | "hangs up"): Promise<Heard> {
  const { hostname: host, port } = new URL(work.gateway.federationUrl);
  const socket: TLSSocket = connect({
    ...{ host, port: Number(port), cert: speaker.certificate, key: speaker.key, ca: speaker.ca },
  });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.on("error", () => undefined);
  const body = said.body === undefined ? "" : JSON.stringify(said.body);
  const headers = {
    ...{ host: "work", "content-type": "application/json", connection: "close" },
    ...{ "content-length": String(body.length), ...said.headers },
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `POST ${said.path ?? "/federation"} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
  socket.write(how === "half" ? text.slice(0, -1) : text);
  if (how === "hangs up") {
    await sleep(HANG_UP_MS);
    socket.destroy();
    // The embedded database goes on to the end of its statement, and whoever comes next would wait for it.
    await sleep(SLOW_MS);
    return { status: 499, code: "CANCELLED", requestId: undefined, retryAfter: undefined, body: {} };
  }
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("close", resolve));
  const answer = Buffer.concat(chunks).toString();
  return {
    status: Number(answer.slice(9, 12)),
    code: /"code":"([A-Z_]+)"/.exec(answer)?.[1] ?? "OK",
    requestId: /"requestId":"([^"]+)"/.exec(answer)?.[1],
    retryAfter: undefined,
    body: {},
  };
}

/** What came of a verb, and by what the log is looked at for it. */
interface Outcome {
  heard: Heard;
  traceId: string;
  /** Refused handshakes of the situation before. */
  before: number;
}

const possible = ({ never }: Situation): Verb[] => VERBS.filter((verb) => never[verb] === undefined);

/** Says each verb in a situation, one after the other. */
async function sayAll(situation: Situation): Promise<{ grantId: string | null; outcomes: Map<Verb, Outcome> }> {
  const { speaker, grantId, undo } = await situation.arrange(work);
  const outcomes = new Map<Verb, Outcome>();
  try {
    for (const verb of possible(situation)) {
      const { traceId, traceparent } = newTrace();
      const said = situation.say?.(verb, wellSaid(verb)) ?? wellSaid(verb);
      const traced = { ...said, headers: { ...said.headers, traceparent } };
      const before = situation.audited === "handshake" ? await settledHandshakes(grantId, codesOf(situation)) : 0;
      const { how } = situation;
      const heard = await (how === undefined ? say(speaker, work, traced) : sayByHand(speaker, traced, how));
      outcomes.set(verb, { heard, traceId, before });
    }
  } finally {
    await undo?.();
  }
  return { grantId, outcomes };
}

const codesOf = ({ code, auditedAs }: Situation): string[] => auditedAs ?? [code];

/** The count once what was refused before has been written. */
async function settledHandshakes(grantId: string | null, codes: string[]): Promise<number> {
  for (let before = await handshakes(grantId, codes); ;) {
    await sleep(600);
    const now = await handshakes(grantId, codes);
    if (now === before) {
      return now;
    }
    before = now;
  }
}

const PATH_VERBS: Verb[] = ["renew", "renew.confirm"];
function auditedVerb({ audited }: Situation, verb: Verb): string {
  return audited === "verb" || (audited === "path" && PATH_VERBS.includes(verb)) ? verb : "unknown";
}

describe.each(SITUATIONS)("$code, $when:", (situation) => {
  const { status, code, audited, retryAfter } = situation;
  let grantId: string | null;
  let outcomes: Map<Verb, Outcome>;
  beforeAll(async () => {
    ({ grantId, outcomes } = await sayAll(situation));
  });

  test.each(possible(situation))(
    `%s is refused with ${status ?? "the connection"} ${code}, and has its audit row`,
    async (verb) => {
      const outcome = outcomes.get(verb);
      if (outcome === undefined) {
        throw new Error(`${verb} was not said`);
      }
      const { heard, traceId, before } = outcome;
      expect([heard.status, heard.code]).toEqual([status, code]);
      if (audited === "handshake") {
        await expect.poll(() => handshakes(grantId, codesOf(situation)), { timeout: 5_000 }).toBeGreaterThan(before);
        // What came with the handshake may have been begun: it was not answered.
        expect((await loggedOf(traceId)).filter(({ outcome: ended }) => ended === "served")).toEqual([]);
        return;
      }
      await expect
        .poll(() => loggedOf(traceId), { timeout: 10_000 })
        .toEqual([
          {
            verb: auditedVerb(situation, verb),
            outcome: (status ?? 0) >= 500 || code === "CANCELLED" ? "failed" : "denied",
            code,
            grant_id: grantId,
            request_id: heard.requestId ?? (expect.any(String) as unknown),
          },
        ]);
      if (retryAfter === true) {
        expect(Number(heard.retryAfter)).toBeGreaterThan(0);
      }
      expect(JSON.stringify(heard.body)).not.toMatch(/federation\.|select |app\.|ben|at \S+:\d+:\d+/);
    },
  );
});

test("once every situation is over, each verb is served, so that nothing was refused for another's reason", async () => {
  const speaker = speakerOf(await freshGrant(work));
  for (const verb of VERBS) {
    const { status, code } = await say(speaker, work, wellSaid(verb));
    expect([verb, code, status]).toEqual([verb, "OK", verb === "renew" ? 201 : 200]);
  }
});

describe("the table of denials", () => {
  test("has every code of the protocol: as a situation, or with the reason why no verb meets it", () => {
    const situations = SITUATIONS.map(({ code }) => code).filter((code) => code !== "TLS_REFUSED");
    const named = new Set<string>([...situations, ...Object.keys(NEVER_SAID)]);
    expect([...named].sort()).toEqual(Object.keys(ERROR_TABLE).sort());
    expect(situations.filter((code) => code in NEVER_SAID)).toEqual([]);
  });

  test("has the status of each code as the reference has it", () => {
    for (const { code, status } of SITUATIONS) {
      if (code !== "TLS_REFUSED") {
        expect([code, status]).toEqual([code, ERROR_TABLE[code].status]);
      }
    }
  });

  test("leaves out no verb without a reason, and says each code of some verb", () => {
    for (const situation of SITUATIONS) {
      expect(possible(situation)).not.toEqual([]);
      expect(Object.values(situation.never).every((reason) => reason.length > 5)).toBe(true);
    }
  });

  /** Which authority signs is decided by the tier, so that these are all pairings that there are. */
  const PAIRINGS = {
    "the embedded authority in tier local": "acceptance-pglite",
    "the embedded authority in tier standalone": "acceptance-postgres",
    "step-ca in tier federated": "acceptance-step-ca",
    "step-ca in tier local": "impossible: step-ca comes with tier federated alone",
    "the embedded authority in tier federated":
      "signs no certificate there; those that it signed before the move are tested in test/services/move-up.test.ts",
  };

  test("is run for each authority and tier that go together, and this is one of them", () => {
    const { tier } = work.gateway.config;
    const template = inject("template");
    const authority =
      template.kind === "postgres" && template.services !== undefined ? "step-ca" : "the embedded authority";
    expect(Object.keys(PAIRINGS)).toContain(`${authority} in tier ${tier}`);
  });

  test("does not miss step-ca in tier local: nobody can set it up", async () => {
    const services = { valkeyUrl: "valkey://127.0.0.1:1", stepCaRoot: "", stepCaKey: "" };
    const config = { version: 2, tier: "local", host: "work.localhost" } as const;
    const directory = mkdtempSync(join(tmpdir(), "mosaic-pairing-"));
    const making = initGateway({ directory, config, services, sample: false, log: () => undefined });
    await expect(making).rejects.toMatchObject({ code: "USAGE" });
    rmSync(directory, { recursive: true });
  });
});

describe("enrollment", () => {
  let ca: string;
  beforeAll(async () => {
    ({ ca } = speakerOf(await freshGrant(work)));
  });
  const said = async (body: unknown, headers: Record<string, string> = {}): Promise<Heard & { traceId: string }> => {
    const { traceId, traceparent } = newTrace();
    const client = new Client(work.gateway.publicUrl, { connect: { ca } });
    const answer = await client.request({
      ...{ method: "POST", path: "/enroll" },
      headers: { "content-type": "application/json", traceparent, ...headers },
      body: typeof body === "string" || body instanceof Readable ? body : JSON.stringify(body),
    });
    const read = (await answer.body.json()) as { errors?: { extensions: { code: string; requestId: string } }[] };
    await client.destroy();
    const error = read.errors?.[0]?.extensions;
    return {
      ...{ status: answer.statusCode, code: error?.code ?? "OK", requestId: error?.requestId, traceId },
      ...{ retryAfter: answer.headers["retry-after"]?.toString(), body: read },
    };
  };
  const newToken = async (): Promise<string> =>
    parseEnrollmentUrl((await createGrant(work, "ada", { resources: ["tasks"] })).url).token;
  const spent = async (): Promise<string> => {
    const token = await newToken();
    expect((await said({ token, csr: newRequest().csr })).status).toBe(201);
    return token;
  };
  /** A body of which no more comes than its first byte. */
  const begun = (): Readable => {
    const body = new Readable({ read: () => undefined });
    body.push("{");
    return body;
  };
  /** While the database lacks what an enrollment begins with. */
  const withoutBeginning = async (): Promise<Heard & { traceId: string }> => {
    const token = await newToken();
    const { undo } = await withFunction("begin_enrollment", "text", undefined)(work);
    try {
      return await said({ token, csr: newRequest().csr });
    } finally {
      await undo?.();
    }
  };

  test.each<[when: string, status: number, code: string, say: () => Promise<Heard & { traceId: string }>]>([
    [
      "by a token that another key has used",
      410,
      "TOKEN_SPENT",
      async () => said({ token: await spent(), csr: newRequest().csr }),
    ],
    ["by a token that never was", 410, "TOKEN_SPENT", () => said({ token: "a".repeat(43), csr: newRequest().csr })],
    ["for a request that cannot be read", 400, "CSR_INVALID", async () => said({ token: await newToken(), csr: "x" })],
    ["in another shape", 400, "BAD_REQUEST", () => said({ token: 1 })],
    ["in more than 16 KiB", 413, "BODY_TOO_LARGE", () => said(" ".repeat(20_000))],
    ["as another type than JSON", 415, "UNSUPPORTED_MEDIA_TYPE", () => said("{}", { "content-type": "text/plain" })],
    ["in a body that does not end in time", 408, "REQUEST_TIMEOUT", () => said(begun())],
    ["while the database lacks something that it should have", 500, "INTERNAL", withoutBeginning],
  ])("%s is refused with %i %s, and has its audit row", async (_, status, code, sayIt) => {
    const heard = await sayIt();
    expect([heard.status, heard.code]).toEqual([status, code]);
    await expect
      .poll(() => loggedOf(heard.traceId), { timeout: 20_000 })
      .toEqual([
        {
          verb: "enroll",
          outcome: status < 500 ? "denied" : "failed",
          ...{ code, grant_id: null, request_id: heard.requestId },
        },
      ]);
  });
});
