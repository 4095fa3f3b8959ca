import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client as Pg } from "pg";
import { Client } from "undici";
import { enroll } from "../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../src/client/enrollment-url.ts";
import { createGrant, credentialsOf } from "../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../src/demo/gateway-process.ts";
import { fillWorld, WORK } from "../src/demo/world.ts";
import { derToPem } from "../src/pki/der.ts";
import { initGateway } from "../src/setup/init.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import { startPostgresServer } from "../test/harness/postgres-server.ts";

// Whether a request waits for the audit log: the median latency of `list` while each write of audit rows takes two seconds longer, as a ratio to
// that of the same gateway without, in rounds that alternate. The target is a ratio of 0.95 to 1.05.
//   node bench/audit.bench.ts [rounds] [requests of a round]
const [rounds = 7, requests = 400] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), "mosaic-bench-"));
const server = await startPostgresServer();
const admin = new Pg({ connectionString: server.url("postgres") });
await admin.connect();
await admin.query("create database bench_audit");
const database = new Pg({ connectionString: server.url("bench_audit") });
await database.connect();
const directory = join(folder, "work");
const [federation = 0, open = 0, home = 0] = await freePorts(3);
await initGateway({
  directory,
  config: {
    version: 2,
    tier: "standalone",
    host: "bench.localhost",
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    limits: { requestsPerMinute: 1_000_000 },
  },
  databaseUrl: server.url("bench_audit"),
  sample: true,
  log: () => undefined,
});
await fillWorld(server.url("bench_audit"), WORK);
const gateway = await startGatewayProcess(MOSAIC, directory);
try {
  const { url } = await createGrant(directory, "alice", { resources: ["tasks"], include_teams: "*" });
  const enrolled = await enroll(parseEnrollmentUrl(url), 10_000);
  const { certificate: cert, key } = credentialsOf(enrolled);
  const client = new Client(`https://127.0.0.1:${federation}`, {
    connect: { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key },
  });
  await round(client);
  const medians: { prompt: number[]; delayed: number[] } = { prompt: [], delayed: [] };
  for (let n = 0; n < rounds; n += 1) {
    medians.prompt.push(await round(client));
    await delay(true);
    medians.delayed.push(await round(client));
    await delay(false);
  }
  await client.destroy();
  const [prompt, delayed] = [median(medians.prompt), median(medians.delayed)];
  process.stdout.write(
    `${JSON.stringify({
      rounds,
      requests,
      promptMs: Number(prompt.toFixed(3)),
      delayedMs: Number(delayed.toFixed(3)),
      ratio: Number((delayed / prompt).toFixed(3)),
    })}\n`,
  );
} finally {
  await gateway.stop();
  await database.end();
  await admin.query("drop database bench_audit with (force)");
  await admin.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Makes each write of audit rows take two seconds longer, or no longer. */
async function delay(on: boolean): Promise<void> {
  await database.query(
    on
      ? `begin;
         alter function federation.append_audit(jsonb, text) rename to append_audit_prompt;
         create function federation.append_audit(entries jsonb, chain text default 'requests-0') returns integer
           language sql volatile security definer
           as 'select federation.append_audit_prompt(entries, chain) from pg_sleep(2)';
         grant execute on function federation.append_audit(jsonb, text) to federation_gateway;
         commit`
      : `begin;
         drop function federation.append_audit(jsonb, text);
         alter function federation.append_audit_prompt(jsonb, text) rename to append_audit;
         commit`,
  );
}

/** The median latency of one round's requests, one after the other, ms. */
async function round(client: Client): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < requests; n += 1) {
    const started = performance.now();
    const { statusCode, body } = await client.request({
      method: "POST",
      path: "/federation",
      headers: { "content-type": "application/json" },
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

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
