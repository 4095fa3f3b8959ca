import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { Client } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSigner } from "../../src/demo/actors.ts";
import type { Credentials, Signer } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import { createRandom } from "../harness/random.ts";
import { recordGrant } from "../harness/record-grant.ts";
import { newRequest } from "../harness/renewal.ts";
import { compareTrails, REVOKED } from "./interleaved-trail.ts";
import type { Asked, Logged } from "./interleaved-trail.ts";
import { EMPLOYEES, IDS, nextQuestion, ROWS, scopeOf } from "./interleaved.ts";
import type { Employee, Lane, Question, Row } from "./interleaved.ts";

/** Fewer for a quick look; what is to be shown takes all of them. */
const REQUESTS = Number(process.env["MOSAIC_INTERLEAVED_REQUESTS"] ?? 100_000);
const SEED = Number(process.env["MOSAIC_INTERLEAVED_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
/** Connections of each of the two; each has a grant of its own, so that one is revoked while the others go on. */
const LANES_OF_EACH = 4;
/** One revocation and one renewal in so many requests. */
const CHANGE_EVERY = Math.min(500, Math.ceil(REQUESTS / 40));
/** Fewer than there are lanes: each is used by both, one after the other. */
const DATABASE_CONNECTIONS = 6;

let folder: string;
let database: Pool;
let gateway: GatewayProcess;
let signer: Signer;
let ca: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-interleaved-"));
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const server = await startPostgresServer();
  closers.push(() => server.stop());
  const databaseUrl = server.url("postgres");
  const [federation = 0, open = 0, home = 0] = await freePorts(3);
  await initGateway({
    directory: folder,
    config: {
      ...{ version: 2, tier: "standalone", host: "work.localhost" },
      listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${open}`,
      limits: { requestsPerMinute: 1_000_000, databaseConnections: DATABASE_CONNECTIONS, waitingRequests: 1_000 },
    },
    ...{ databaseUrl, sample: true, log: () => undefined },
  });
  await fillWorld(databaseUrl, {
    users: EMPLOYEES.map((id) => ({ id, name: id, email: `${id}@work.example` })),
    teams: ["team-of-e1", "team-of-e2", "both"].map((id) => ({ id, name: id })),
    memberships: EMPLOYEES.flatMap((user_id) =>
      [`team-of-${user_id}`, "both"].map((team_id) => ({ user_id, team_id })),
    ),
    tasks: ROWS.map((row) => ({ ...row })),
    ...{ notes: [], credentials: [] },
  });
  database = new Pool({ connectionString: databaseUrl, max: 4 });
  // The server ends what the pool leaves open.
  database.on("error", () => undefined);
  closers.push(() => database.end());
  gateway = await startGatewayProcess(MOSAIC, folder);
  closers.push(() => gateway.stop());
  signer = await openSigner(folder);
  ca = derToPem(signer.certificateDer, "CERTIFICATE");
});
afterAll(async () => {
  for (const close of closers.toReversed()) {
    await close();
  }
});

const connect = ({ certificate: cert, key }: Credentials): Client =>
  new Client(gateway.federationUrl, { connect: { ca, cert, key } });

async function openLane(employee: Employee, seed: number): Promise<Lane> {
  const { grantId, ...credentials } = await recordGrant(database, signer, employee, scopeOf(employee));
  const fresh = { revoking: undefined, revoked: undefined, renewing: false, cursor: undefined };
  return { employee, random: createRandom(seed), grantId, client: connect(credentials), ...fresh };
}

/** What was answered, by request id: every one must be in the log so. */
const answered = new Map<string, Asked>();
/** What was asked on a connection that broke before its answer, with the code that it would have had. */
const broken: Asked[] = [];
/** Everything that must not have happened. */
const faults: string[] = [];
const counts = { served: 0, hidden: 0, stolenCursors: 0, revocations: 0, renewals: 0, cut: 0 };

interface Heard {
  status: number;
  code: string;
  body: {
    data?: {
      list?: { rows: Row[]; nextCursor: string | null };
      get?: Row;
      search?: { hits: { id: string; row: Row }[] };
    };
  };
}

/** Says a verb on the lane's connection, and keeps the answer for the audit log; undefined where it was ended instead. */
async function say(
  { client, grantId, employee }: Lane,
  path: string,
  { verb, code: right }: Pick<Question, "code"> & { verb: string },
  content?: unknown,
): Promise<Heard | undefined> {
  const asked = { grantId, employee, verb };
  try {
    const answer = await client.request({
      ...{ method: "POST", path, headers: { "content-type": "application/json" } },
      ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    });
    const body = (await answer.body.json()) as Heard["body"] & {
      errors?: { extensions: { code: string; requestId: string } }[];
    };
    const error = body.errors?.[0]?.extensions;
    const requestId = error?.requestId ?? String(answer.headers["x-request-id"]);
    const code = error?.code ?? "OK";
    if (answered.has(requestId)) {
      faults.push(`${employee} was told the id ${requestId}, as was another`);
    }
    answered.set(requestId, { ...asked, code });
    return { status: answer.statusCode, code, body };
  } catch (error) {
    if (error instanceof Error && "code" in error && /^(UND_ERR_SOCKET|ECONNRESET|EPIPE)/.test(String(error.code))) {
      broken.push({ ...asked, code: right });
      return undefined;
    }
    throw error;
  }
}

const rowsOf = ({ data }: Heard["body"]): Row[] => [
  ...(data?.list?.rows ?? []),
  ...(data?.get === undefined ? [] : [data.get]),
  ...(data?.search?.hits.map(({ row }) => row) ?? []),
];

/** Holds an answer against what is right. */
function check(lane: Lane, { verb, code }: Question, heard: Heard, sentAt: number): void {
  const { employee, grantId } = lane;
  for (const row of rowsOf(heard.body)) {
    if (!IDS[employee].includes(row.id) || row.owner_id !== employee) {
      faults.push(`${employee} was served ${row.id} of ${row.owner_id} by ${verb}`);
    }
  }
  if (lane.revoked !== undefined && sentAt > lane.revoked && heard.status === 200) {
    faults.push(`${employee} was answered under ${grantId} after its revocation had committed`);
  }
  if (heard.code !== code) {
    faults.push(`${employee}'s ${verb} came back with ${heard.code}, not ${code}`);
  }
  counts.served += heard.code === "OK" ? 1 : 0;
  counts.hidden += heard.code === "NOT_FOUND" ? 1 : 0;
  counts.stolenCursors += heard.code === "BAD_REQUEST" ? 1 : 0;
}

/** Asks once, and begins anew under another grant where the lane's was revoked. */
async function ask(lane: Lane, lanes: readonly Lane[]): Promise<boolean> {
  const question = nextQuestion(lane, lanes);
  const sentAt = performance.now();
  const heard = await say(lane, "/federation", question, {
    documentId: question.verb,
    variables: question.variables,
  });
  if (heard !== undefined && !REVOKED.includes(heard.code)) {
    check(lane, question, heard, sentAt);
    lane.cursor = heard.body.data?.list?.nextCursor ?? lane.cursor;
    return true;
  }
  if (lane.revoking === undefined) {
    faults.push(`${lane.employee} was refused (${heard?.code ?? "cut"}) under a grant that nobody revoked`);
  }
  counts.cut += 1;
  await lane.client.destroy();
  const { grantId, ...credentials } = await recordGrant(database, signer, lane.employee, scopeOf(lane.employee));
  Object.assign(lane, { grantId, client: connect(credentials), cursor: undefined });
  Object.assign(lane, { revoking: undefined, revoked: undefined });
  return false;
}

/** Renews the lane's certificate on its own connection, confirms by the new one, and goes on there. */
async function renew(lane: Lane): Promise<void> {
  const { csr, key } = newRequest();
  const heard = await say(lane, "/renew", { verb: "renew", code: "OK" }, { csr });
  if (heard?.status !== 201) {
    if (lane.revoking === undefined) {
      faults.push(`${lane.employee}'s renewal came back with ${heard?.code ?? "nothing"}`);
    }
    return;
  }
  const { certificate, chain } = heard.body as unknown as { certificate: string; chain: string[] };
  const before = lane.client;
  lane.client = connect({ certificate: [certificate, ...chain].join(""), key });
  const confirmed = await say(lane, "/renew/confirm", { verb: "renew.confirm", code: "OK" });
  await before.destroy();
  if (confirmed?.code === "OK") {
    counts.renewals += 1;
  } else if (lane.revoking === undefined) {
    faults.push(`${lane.employee}'s confirmation came back with ${confirmed?.code ?? "nothing"}`);
  }
}

test(`3. concurrent sessions of E1 and E2 interleave without leakage: ${REQUESTS} requests, with revocations and renewals in between (seed ${SEED})`, async () => {
  console.log(`interleaved: MOSAIC_INTERLEAVED_SEED=${SEED} for the same choices again`);
  const lanes = await Promise.all(
    EMPLOYEES.flatMap((employee, number) =>
      Array.from({ length: LANES_OF_EACH }, (_, index) => openLane(employee, SEED + number * LANES_OF_EACH + index)),
    ),
  );
  const random = createRandom(SEED - 1);
  let left = REQUESTS;
  const started = performance.now();
  const running = Promise.all(
    lanes.map(async (lane) => {
      while (left > 0) {
        if (lane.renewing) {
          await renew(lane);
          lane.renewing = false;
        }
        left -= 1;
        if (!(await ask(lane, lanes))) {
          left += 1;
        }
        // Now and then one rests, so that the order in which they come changes.
        if (lane.random() < 0.02) {
          await sleep(lane.random() * 5);
        }
      }
    }),
  );
  let changeAt = REQUESTS - CHANGE_EVERY;
  while (left > 0) {
    await Promise.race([running, sleep(2)]);
    if (left > changeAt) {
      continue;
    }
    changeAt -= CHANGE_EVERY;
    random.anyOf(lanes).renewing = true;
    const lane = random.anyOf(lanes);
    if (lane.revoking === undefined) {
      const { grantId } = lane;
      lane.revoking = performance.now();
      await database.query("select federation.revoke_grant($1, 'left')", [grantId]);
      // The lane may be under another grant by now.
      if (lane.grantId === grantId) {
        lane.revoked = performance.now();
      }
      counts.revocations += 1;
    }
  }
  await running;
  const seconds = (performance.now() - started) / 1_000;
  console.log(`${REQUESTS} requests in ${seconds.toFixed(0)} s: ${JSON.stringify(counts)}`);
  for (const { client } of lanes) {
    await client.destroy();
  }

  expect(faults).toEqual([]);
  // All of it happened.
  expect(answered.size).toBeGreaterThanOrEqual(REQUESTS);
  const changes = REQUESTS / CHANGE_EVERY;
  expect(counts.revocations).toBeGreaterThan(changes / 2);
  expect(counts.renewals).toBeGreaterThan(changes / 4);
  expect(counts.hidden).toBeGreaterThan(REQUESTS / 5);
  expect(counts.stolenCursors).toBeGreaterThan(0);
  await expectAudited();
}, 900_000);

/** The trail of each grant has what was asked under it, and nothing else; the chains hold. */
async function expectAudited(): Promise<void> {
  // What it had not written yet, it writes when it stops.
  await gateway.stop();
  const { rows } = await database.query<Logged>(
    `select request_id as id, grant_id as "grantId", subject_user_id as employee, verb, code
     from federation.federation_audit_log
     where verb in ('capabilities', 'list', 'get', 'search', 'renew', 'renew.confirm', 'unknown', 'handshake')`,
  );
  const { missing, wrong, unheard } = compareTrails(rows, answered, broken);
  console.log(`${answered.size} answers; of ${broken.length} that broke, the log has ${unheard}`);
  expect(wrong).toEqual([]);
  expect(missing).toEqual([]);
  await expectRenewals(rows);
  expect((await database.query("select * from federation.verify_audit() where fault is not null")).rows).toEqual([]);
}

/** Each grant's trail has its renewals as often as it was given certificates, and confirmed them; those aside of which nobody was told. */
async function expectRenewals(rows: readonly Logged[]): Promise<void> {
  const { rows: grants } = await database.query<{ grantId: string; renewed: number; confirmed: number }>(
    `select grant_id as "grantId", count(*)::int as renewed, count(confirmed_at)::int as confirmed
     from federation.federation_certificates where renewed_from is not null group by grant_id`,
  );
  const had = new Map(grants.map(({ grantId, ...done }) => [grantId, done]));
  const said = Map.groupBy(
    rows.filter(({ code }) => code === "OK"),
    ({ grantId }) => grantId,
  );
  // What broke, or was refused at its end because of a revocation, may be done.
  const ended = new Set(
    [...broken, ...[...answered.values()].filter(({ code }) => REVOKED.includes(code))]
      .filter(({ verb }) => verb === "renew" || verb === "renew.confirm")
      .map(({ grantId }) => grantId),
  );
  let compared = 0;
  for (const grantId of new Set([...had.keys(), ...said.keys()])) {
    if (ended.has(grantId)) {
      continue;
    }
    const of = (verb: string): number => (said.get(grantId) ?? []).filter((row) => row.verb === verb).length;
    const trail = { renewed: of("renew"), confirmed: of("renew.confirm") };
    expect({ grantId, ...trail }).toEqual({ grantId, ...(had.get(grantId) ?? { renewed: 0, confirmed: 0 }) });
    compared += trail.renewed;
  }
  expect(compared).toBeGreaterThan(0);
}
