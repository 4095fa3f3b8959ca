import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { createGrant, credentialsOf } from "../../src/demo/actors.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { derToPem } from "../../src/pki/der.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../../test/harness/mosaic.ts";
import type { PostgresServer } from "../../test/harness/postgres-server.ts";
import { cacheFolder, fingerprint } from "./cache.ts";
import { MOST_SEARCHED, SUBJECTS } from "./sizes.ts";
import type { Teams } from "./sizes.ts";

/** A grant of the gateway that is measured, and what its peer holds; PEM. */
export interface BenchGrant {
  grantId: string;
  subject: string;
  serial: string;
  certificate: string;
  key: string;
}

/** A database of so many rows, and a gateway on it that is not running. */
export interface Work {
  rows: number;
  /** Of a superuser. */
  adminUrl: string;
  /** Of the gateway's own login, which the hand-written peer uses, too. */
  gatewayUrl: string;
  directory: string;
  rootPem: string;
  grants: Record<Teams, BenchGrant>;
}

/** Connections to the database that each gateway and each peer may have. */
export const CONNECTIONS = 10;

/**
 * The database and gateway of so many rows: made at the first run, then taken from the cache until what they are made of changes.
 *
 * @param log told what takes long
 */
export async function openWork(server: PostgresServer, rows: number, log: (line: string) => void): Promise<Work> {
  const directory = join(cacheFolder(), `gateway-${rows}`);
  const file = join(directory, "bench.json");
  const made = fingerprint();
  if (existsSync(file)) {
    const cached = JSON.parse(readFileSync(file, "utf8")) as { made: string; work: Work };
    if (cached.made === made) {
      writeConfig(directory, await freePorts(3));
      return cached.work;
    }
  }
  log(`loading ${rows} rows`);
  rmSync(directory, { recursive: true, force: true });
  const name = `bench_${rows}`;
  await asAdmin(server.url("postgres"), async (admin) => {
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.query(`create database ${name}`);
  });
  const adminUrl = server.url(name);
  const config = configOf(await freePorts(3));
  await initGateway({ directory, config, databaseUrl: adminUrl, sample: false, log: () => undefined });
  const gatewayUrl = readFileSync(gatewayPaths(directory).gatewayDatabaseUrl, "utf8").trim();
  await asAdmin(adminUrl, async (admin) => {
    await load(admin, rows);
    await admin.query(`grant stock_reader to ${admin.escapeIdentifier(new URL(gatewayUrl).username)}`);
  });
  const work: Work = {
    rows,
    adminUrl,
    gatewayUrl,
    directory,
    ...(await enrollAll(directory)),
  };
  writeFileSync(file, JSON.stringify({ made, work }), { mode: 0o600 });
  return work;
}

function configOf([federation = 0, open = 0, home = 0]: number[]): ConfigInput {
  return {
    version: 2,
    tier: "standalone",
    host: "work.localhost",
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    certificateLifetimeDays: 397,
    limits: { requestsPerMinute: 1_000_000, databaseConnections: CONNECTIONS },
  };
}

/** Ports that were free at the last run may be another's by now. */
function writeConfig(directory: string, ports: number[]): void {
  writeFileSync(gatewayPaths(directory).config, JSON.stringify(configOf(ports)));
}

async function load(admin: Client, rows: number): Promise<void> {
  const script = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");
  await admin.query(script("work.sql").replaceAll(":rows", String(rows)));
  await admin.query(
    `select federation.bind_identity(
      users_table => 'work.users', user_column => 'id',
      memberships_table => 'work.memberships', member_user_column => 'user_id', member_team_column => 'team_id'
    )`,
  );
  await admin.query(
    `select federation.register_resource(
      name => 'tasks', table_id => 'work.tasks', owner => 'owner_id', team => 'team_id', text_columns => $1::name[],
      time_column => 'created_at', order_by => '[{"column": "created_at"}]'
    )`,
    [rows > MOST_SEARCHED ? [] : ["title", "body"]],
  );
  await admin.query(script("stock.sql"));
  // The policy that this adds changes the table, from which the functions are written.
  await admin.query("select federation.prepare_resource('tasks')");
  await admin.query("vacuum analyze");
}

async function enrollAll(directory: string): Promise<Pick<Work, "rootPem" | "grants">> {
  const gateway = await startGatewayProcess(MOSAIC, directory);
  try {
    const grants: Partial<Record<Teams, BenchGrant>> = {};
    let rootPem = "";
    for (const teams of [1, 10, 100] satisfies Teams[]) {
      const subject = SUBJECTS[teams];
      const { grantId, url } = await createGrant(directory, subject, {
        resources: ["tasks"],
        include_teams: "*",
        include_personal: true,
      });
      const enrolled = await enroll(parseEnrollmentUrl(url), 10_000);
      rootPem = derToPem(enrolled.rootDer, "CERTIFICATE");
      grants[teams] = { grantId, subject, serial: enrolled.serial, ...credentialsOf(enrolled) };
    }
    return { rootPem, grants: grants as Work["grants"] };
  } finally {
    await gateway.stop();
  }
}

/** Ids of fifty rows that a grant shows, for `get`. */
export function idsOf({ adminUrl, grants }: Work, teams: Teams): Promise<string[]> {
  return asAdmin(adminUrl, async (admin) => {
    const { rows } = await admin.query<{ id: string }>(
      `select t.id from work.tasks t join work.memberships m using (team_id) where m.user_id = $1 order by t.created_at, t.id limit 50`,
      [grants[teams].subject],
    );
    return rows.map(({ id }) => id);
  });
}

/** Runs statements as a superuser. */
export async function asAdmin<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
