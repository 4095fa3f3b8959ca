import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { createGrant, credentialsOf } from "../../src/demo/actors.ts";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { derToPem } from "../../src/pki/der.ts";
import { initGateway } from "../../src/setup/init.ts";
import type { TlsClient } from "./certificates.ts";
import { loadRows, ROWS_VERSION, SUBJECT, teamsInScope } from "./rows.ts";

/** A gateway's directory and database, with rows in it. */
export interface LoadedGateway {
  directory: string;
  databaseUrl: string;
}

/** The most rows of a page that the grants allow. */
const CAP = 500;

/** Where a kept gateway says what was loaded. */
const LOADED = "loaded.json";

/** The configuration of a gateway that is measured: as it comes, with another limit of requests, which is counted as ever. */
export async function benchConfig(host: string, more: Partial<ConfigInput> = {}): Promise<ConfigInput> {
  const [federation = 0, open = 0, home = 0] = await freePorts(3);
  return {
    version: 2,
    tier: "standalone",
    host,
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    limits: { requestsPerMinute: 1_000_000 },
    ...more,
  };
}

/**
 * Makes a gateway with so many rows in a database of its own, or takes the one that was kept.
 *
 * @param options.url of a database of the server, as its superuser
 * @param options.name of the gateway and its database
 * @param options.directory of the gateway
 * @param options.log told what is being done
 */
export async function loadGateway(options: {
  url: (database: string) => string;
  name: string;
  directory: string;
  rows: number;
  config?: Partial<ConfigInput>;
  log: (line: string) => void;
}): Promise<LoadedGateway> {
  const { url, name, directory, rows, log } = options;
  const database = `bench_${name}`;
  const databaseUrl = url(database);
  const config = await benchConfig(`${name}.localhost`, options.config);
  const loaded = { rows, version: ROWS_VERSION };
  const marker = join(directory, LOADED);
  if (existsSync(marker) && readFileSync(marker, "utf8") === JSON.stringify(loaded)) {
    log(`${rows} rows: as they were loaded before`);
    moveTo(directory, databaseUrl, config);
    return { directory, databaseUrl };
  }
  await onDatabase(url("postgres"), async (client) => {
    await client.query(`drop database if exists ${database} with (force)`);
    await client.query(`create database ${database}`);
  });
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true });
  await initGateway({ directory, config, databaseUrl, sample: true, log: () => undefined });
  await onDatabase(databaseUrl, (client) =>
    loadRows(client, rows, (done) => {
      log(`${done} of ${rows} rows loaded`);
    }),
  );
  writeFileSync(marker, JSON.stringify(loaded));
  return { directory, databaseUrl };
}

/** The server and its gateway are at other ports than when they were made. */
function moveTo(directory: string, databaseUrl: string, config: ConfigInput): void {
  const paths = gatewayPaths(directory);
  const { port } = new URL(databaseUrl);
  for (const file of [paths.adminDatabaseUrl, paths.gatewayDatabaseUrl]) {
    writeFileSync(file, Object.assign(new URL(readFileSync(file, "utf8").trim()), { port }).href);
  }
  writeFileSync(paths.config, JSON.stringify(config));
}

/** A peer with a grant of its own, and what it shows at TLS. */
export interface EnrolledPeer {
  grantId: string;
  serial: string;
  tls: TlsClient;
}

/** Enrolls for a grant of the subject: so many teams in scope, and what has no team. */
export async function enrollPeer(directory: string, teams: number): Promise<EnrolledPeer> {
  const { url, grantId } = await createGrant(directory, SUBJECT, scopeOf(teams));
  const enrolled = await enroll(parseEnrollmentUrl(url), 10_000);
  const { certificate: cert, key } = credentialsOf(enrolled);
  return { tls: { ca: derToPem(enrolled.rootDer, "CERTIFICATE"), cert, key }, grantId, serial: enrolled.serial };
}

/** The scope of a grant with so many teams. */
export function scopeOf(teams: number): Record<string, unknown> {
  return {
    resources: ["tasks"],
    include_teams: teamsInScope(teams),
    include_personal: true,
    max_rows_per_query: CAP,
  };
}

/** Work on a database as its superuser. */
export async function onDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
