import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { Client as Pg } from "pg";
import { mixedCredentials, openSigner } from "../src/demo/actors.ts";
import type { Credentials, Signer } from "../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../src/demo/gateway-process.ts";
import { fillWorld, WORK } from "../src/demo/world.ts";
import { derToPem, fingerprintOf } from "../src/pki/der.ts";
import { initGateway } from "../src/setup/init.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import { startPostgresServer } from "../test/harness/postgres-server.ts";

// How soon a revocation is felt: from when its commit is sent to when the peer sees an idle connection end, and to when a statement that runs for it
// has been stopped and is answered. In each round a bare process that listens to the same database cuts a connection upon the same notice: `ratio` is
// that of the medians. The target is 100 ms at the 99th percentile, on a machine where nothing else runs: `load` says whether that was so.
//   node bench/revocation.bench.ts [rounds]
const [rounds = 300] = process.argv.slice(2).map(Number);
const SCOPE = JSON.stringify({ resources: ["tasks", "notes"], include_teams: "*" });

const folder = mkdtempSync(join(tmpdir(), "mosaic-bench-"));
const server = await startPostgresServer();
const closers: (() => unknown)[] = [
  () => {
    rmSync(folder, { recursive: true, force: true });
  },
  () => server.stop(),
];
try {
  const admin = await open("postgres");
  await admin.query("create database bench_revocation");
  const databaseUrl = server.url("bench_revocation");
  const directory = join(folder, "work");
  const [federation = 0, publicPort = 0, home = 0] = await freePorts(3);
  await initGateway({
    directory,
    config: {
      version: 2,
      tier: "standalone",
      host: "work.localhost",
      listeners: { federation: { port: federation }, public: { port: publicPort }, home: { port: home } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${publicPort}`,
    },
    databaseUrl,
    sample: true,
    log: () => undefined,
  });
  await fillWorld(databaseUrl, WORK);
  const gateway = await startGatewayProcess(MOSAIC, directory);
  closers.push(() => gateway.stop());
  const barePort = await startBare(databaseUrl);
  const database = await open("bench_revocation");
  // Whoever asks for notes waits until this ends.
  const blocker = await open("bench_revocation");
  await blocker.query("begin; lock table app.notes in access exclusive mode");
  const signer = await openSigner(directory);
  const measured = { bare: [] as number[], connection: [] as number[], statement: [] as number[] };
  for (let n = 0; n < rounds; n += 1) {
    const round = await revokeOnce({ database, signer, federation, barePort });
    // The first ones find nothing compiled yet.
    if (n >= Math.min(10, rounds / 10)) {
      measured.bare.push(round.bareMs);
      measured.connection.push(round.connectionMs);
      measured.statement.push(round.statementMs);
    }
  }
  const at = (values: number[], share: number): number =>
    Number((values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN).toFixed(1));
  const summary = (values: number[]): object => ({ p50: at(values, 0.5), p99: at(values, 0.99), max: at(values, 1) });
  process.stdout.write(
    `${JSON.stringify({
      rounds,
      bareMs: summary(measured.bare),
      connectionMs: summary(measured.connection),
      statementMs: summary(measured.statement),
      ratio: {
        connection: Number((at(measured.connection, 0.5) / at(measured.bare, 0.5)).toFixed(2)),
        statement: Number((at(measured.statement, 0.5) / at(measured.bare, 0.5)).toFixed(2)),
      },
      load: Number((loadavg()[0] ?? Number.NaN).toFixed(1)),
    })}\n`,
  );
} finally {
  for (const close of closers.reverse()) {
    await close();
  }
}

/** A connection to a database, until the end. */
async function open(name: string): Promise<Pg> {
  const client = new Pg({ connectionString: server.url(name) });
  await client.connect();
  closers.push(() => client.end());
  return client;
}

/** @returns the port of a process that cuts its connections upon any notice */
async function startBare(databaseUrl: string): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "bare-listener.ts"), databaseUrl], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  closers.push(async () => {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  });
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  return Number(port.toString());
}

/** A grant with an idle connection and one on which a statement runs; how long each outlived the revocation, ms. */
async function revokeOnce(options: {
  database: Pg;
  signer: Signer;
  federation: number;
  barePort: number;
}): Promise<{ bareMs: number; connectionMs: number; statementMs: number }> {
  const { database, signer, federation, barePort } = options;
  const grant = await newGrant(database, signer);
  const bare = connect(barePort, "127.0.0.1");
  await once(bare, "data");
  const peer = async (): Promise<TLSSocket> => {
    const socket = connectTls({
      port: federation,
      host: "127.0.0.1",
      ca: derToPem(signer.certificateDer, "CERTIFICATE"),
      cert: grant.certificate,
      key: grant.key,
    });
    await once(socket, "secureConnect");
    return socket;
  };
  const [idle, busy] = await Promise.all([peer(), peer()]);
  ask(idle, "tasks");
  await once(idle, "data");
  ask(busy, "notes");
  await untilItRuns(database);
  const seen = Promise.all([closed(bare), closed(idle), answered(busy)]);
  await database.query("begin");
  await database.query("select federation.revoke_grant($1)", [grant.id]);
  const sentAt = performance.now();
  await database.query("commit");
  const [bareAt, idleAt, busyAt] = await seen;
  busy.destroy();
  return { bareMs: bareAt - sentAt, connectionMs: idleAt - sentAt, statementMs: busyAt - sentAt };
}

/** When a connection is seen to end. */
async function closed(socket: Socket): Promise<number> {
  socket.on("error", () => undefined).resume();
  await new Promise((resolve) => socket.once("close", resolve));
  return performance.now();
}

/** When a request that runs is seen to be refused, or its connection to end. */
async function answered(socket: Socket): Promise<number> {
  socket.on("error", () => undefined);
  const answer = await new Promise<Buffer | boolean>((resolve) => socket.once("data", resolve).once("close", resolve));
  if (Buffer.isBuffer(answer) && !answer.toString().startsWith("HTTP/1.1 403")) {
    throw new Error(`a statement ended otherwise: ${answer.toString().slice(0, 100)}`);
  }
  return performance.now();
}

/** A grant as enrollment leaves it. */
async function newGrant(database: Pg, signer: Signer): Promise<Credentials & { id: string }> {
  const { rows } = await database.query<{ grant_id: string; enrollment_token: string }>(
    "select grant_id, enrollment_token from federation.create_grant('alice', 'home.localhost', $1)",
    [SCOPE],
  );
  const id = rows[0]?.grant_id ?? "";
  const credentials = await mixedCredentials(signer, id, "alice");
  const { serialNumber, raw, validFrom, validTo } = new X509Certificate(credentials.certificate);
  await database.query("begin");
  await database.query("select federation.redeem_enrollment_token($1)", [rows[0]?.enrollment_token]);
  await database.query("select federation.record_certificate($1, $2, $3, $4, $5)", [
    serialNumber.toLowerCase(),
    id,
    fingerprintOf(raw),
    validFrom,
    validTo,
  ]);
  await database.query("commit");
  return { id, ...credentials };
}

function ask(socket: TLSSocket, resource: string): void {
  const body = JSON.stringify({ documentId: "list", variables: { resource, first: 1 } });
  const head = `POST /federation HTTP/1.1\r\nhost: work.localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}`);
}

async function untilItRuns(database: Pg): Promise<void> {
  for (;;) {
    const { rows } = await database.query<{ waits: boolean }>(
      "select exists (select from pg_locks where not granted and relation = 'app.notes'::regclass) as waits",
    );
    if (rows[0]?.waits === true) {
      return;
    }
    await sleep(2);
  }
}
