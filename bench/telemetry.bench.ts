import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SpanKind } from "@opentelemetry/api";
import { Client as Pg } from "pg";
import { Client } from "undici";
import { enroll } from "../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../src/client/enrollment-url.ts";
import { createGrant, credentialsOf } from "../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../src/demo/gateway-process.ts";
import { fillWorld, WORK } from "../src/demo/world.ts";
import { UNTRACED } from "../src/observability/tracing.ts";
import { derToPem } from "../src/pki/der.ts";
import { initGateway } from "../src/setup/init.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import { startPostgresServer } from "../test/harness/postgres-server.ts";

// What telemetry costs. Two gateways with the same database server, one that sends traces and metrics to a receiver and one that does not, in rounds
// that alternate: `on` is the ratio of their median latencies of `list`. Off, what is left is the spans that nobody records: `off` is their
// share of a request, by a loop that does for a request what the listener does.
//   node bench/telemetry.bench.ts [rounds] [requests of a round]
const [rounds = 7, requests = 400] = process.argv.slice(2).map(Number);
const LOOPS = 200_000;

const folder = mkdtempSync(join(tmpdir(), "mosaic-bench-"));
const server = await startPostgresServer();
const admin = new Pg({ connectionString: server.url("postgres") });
await admin.connect();
// It takes what comes and keeps nothing: what a receiver does with it is not what is measured.
let batches = 0;
const receiver = createServer((request, response) => {
  batches += 1;
  request.resume().on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const gateways: { gateway: GatewayProcess; client: Client }[] = [];
try {
  const off = await open("off");
  const on = await open("on", `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`);
  await round(off);
  await round(on);
  const medians: { off: number[]; on: number[] } = { off: [], on: [] };
  for (let n = 0; n < rounds; n += 1) {
    medians.off.push(await round(off));
    medians.on.push(await round(on));
  }
  if (batches === 0) {
    throw new Error("the receiver was sent nothing");
  }
  const [offMs, onMs] = [median(medians.off), median(medians.on)];
  const unrecordedUs = costOfUnrecordedUs();
  process.stdout.write(
    `${JSON.stringify({
      rounds,
      requests,
      offMs: Number(offMs.toFixed(3)),
      onMs: Number(onMs.toFixed(3)),
      on: Number((onMs / offMs).toFixed(3)),
      unrecordedUs: Number(unrecordedUs.toFixed(2)),
      off: Number((unrecordedUs / 1_000 / offMs).toFixed(5)),
    })}\n`,
  );
} finally {
  for (const { gateway, client } of gateways) {
    await client.destroy();
    await gateway.stop();
  }
  receiver.close();
  for (const name of ["off", "on"]) {
    await admin.query(`drop database if exists bench_${name} with (force)`);
  }
  await admin.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A gateway in a process of its own, and a client of a grant of its. */
async function open(name: string, otlpUrl?: string): Promise<Client> {
  await admin.query(`create database bench_${name}`);
  const databaseUrl = server.url(`bench_${name}`);
  const directory = join(folder, name);
  const [federation = 0, publicPort = 0, home = 0] = await freePorts(3);
  await initGateway({
    directory,
    config: {
      version: 2,
      tier: "standalone",
      host: "bench.localhost",
      listeners: { federation: { port: federation }, public: { port: publicPort }, home: { port: home } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${publicPort}`,
      limits: { requestsPerMinute: 1_000_000 },
      ...(otlpUrl === undefined ? {} : { telemetry: { otlpUrl } }),
    },
    databaseUrl,
    sample: true,
    log: () => undefined,
  });
  await fillWorld(databaseUrl, WORK);
  const gateway = await startGatewayProcess(MOSAIC, directory);
  const { url } = await createGrant(directory, "alice", { resources: ["tasks"], include_teams: "*" });
  const enrolled = await enroll(parseEnrollmentUrl(url), 10_000);
  const { certificate: cert, key } = credentialsOf(enrolled);
  const client = new Client(`https://127.0.0.1:${federation}`, {
    connect: { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key },
  });
  gateways.push({ gateway, client });
  return client;
}

/** The median latency of one round's requests, one after the other, ms. */
async function round(client: Client): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < requests; n += 1) {
    const started = performance.now();
    const { statusCode, body } = await client.request({
      method: "POST",
      path: "/federation",
      headers: {
        "content-type": "application/json",
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      },
      body: JSON.stringify({ documentId: "list", variables: { resource: "tasks" } }),
    });
    await body.dump();
    if (statusCode !== 200) {
      throw new Error(`a request ended with ${statusCode}`);
    }
    times.push(performance.now() - started);
  }
  return median(times);
}

/** What the spans of one request take where nobody records them, µs: the request's, and those around admission, SQL and audit. */
function costOfUnrecordedUs(): number {
  const once = (): void => {
    const span = UNTRACED.start("federation.request", SpanKind.SERVER, undefined);
    for (const name of ["federation.admission", "federation.sql", "federation.audit"]) {
      span.child(name).end();
    }
    span.set({ grant_id: span.traceId, peer: "a", verb: "list", outcome: "served", latency_ms: 1, cached: false });
    span.end();
  };
  for (let n = 0; n < LOOPS; n += 1) {
    once();
  }
  const started = performance.now();
  for (let n = 0; n < LOOPS; n += 1) {
    once();
  }
  return ((performance.now() - started) * 1_000) / LOOPS;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
