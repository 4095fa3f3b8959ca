import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Client, Pool } from "pg";
import { inject } from "vitest";
import { addPeer, createToken } from "../../src/demo/actors.ts";
import type { Enrolled } from "../../src/client/enroll.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { socketConnectionString, socketFolder } from "../../src/database/embedded.ts";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { fillWorld } from "../../src/demo/world.ts";
import { startGateway } from "../../src/gateway.ts";
import type { Gateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observability/log.ts";
import { initGateway } from "../../src/setup/init.ts";
import { keepCompiled } from "./keep-compiled.ts";

/** A gateway in this process, on a database of its own. */
export interface TestGateway {
  directory: string;
  gateway: Gateway;
  /** Of a superuser. */
  pool: Pool;
  adminUrl: string;
  /** Everything that the gateway logged so far. */
  log(): string;
  /** Stops the gateway and starts it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Makes and starts a gateway: on PGlite with tier `local`, on PostgreSQL with tier `standalone`, with the services with tier `federated`.
 *
 * @param world rows of the sample application
 * @param overrides of its configuration
 */
export async function openTestGateway(
  host: string,
  world: Parameters<typeof fillWorld>[1],
  overrides: Partial<ConfigInput> = {},
): Promise<TestGateway> {
  const directory = mkdtempSync(join(tmpdir(), "mosaic-gateway-"));
  const [federation = 0, open = 0, home = 0] = await freePorts(3);
  const template = inject("template");
  const services = template.kind === "postgres" ? template.services : undefined;
  const config: ConfigInput = {
    version: 2,
    tier: template.kind === "pglite" ? "local" : services === undefined ? "standalone" : "federated",
    host,
    ...(services === undefined
      ? {}
      : { stepCa: { url: services.stepCaUrl, rootFile: "step-ca-root.pem", provisioner: "mosaic" } }),
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
    limits: { requestsPerMinute: 100_000 },
    ...overrides,
  };
  const { adminUrl, databaseUrl, drop } = await cloneDatabase(directory);
  await initGateway({
    directory,
    config,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(services === undefined || config.tier !== "federated" ? {} : { services }),
    sample: true,
    log: () => undefined,
  });
  const lines: string[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
  const log = createLog("debug", stream);
  let gateway = await startGateway(directory, log);
  await fillWorld(adminUrl, world);
  const pool = new Pool({ connectionString: adminUrl, max: 2 });
  pool.on("error", () => undefined);
  return {
    directory,
    get gateway() {
      return gateway;
    },
    pool,
    adminUrl,
    log: () => lines.join(""),
    restart: async () => {
      await gateway.stop();
      gateway = await startGateway(directory, log);
    },
    stop: async () => {
      await pool.end();
      await gateway.stop();
      await drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function cloneDatabase(
  directory: string,
): Promise<{ adminUrl: string; databaseUrl: string | undefined; drop: () => Promise<void> }> {
  const template = inject("template");
  if (template.kind === "pglite") {
    await keepCompiled();
    cpSync(template.folder, join(directory, "data"), { recursive: true });
    return {
      adminUrl: socketConnectionString(socketFolder(directory)),
      databaseUrl: undefined,
      drop: () => Promise.resolve(),
    };
  }
  const name = `gateway_${randomBytes(6).toString("hex")}`;
  const admin = new Client({ connectionString: template.serverUrl });
  await admin.connect();
  await admin.query(`create database ${name} template ${template.database}`);
  const url = new URL(template.serverUrl);
  url.pathname = `/${name}`;
  return {
    adminUrl: url.href,
    databaseUrl: url.href,
    drop: async () => {
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

/** A grant that was made and enrolled, with the certificate that came of it. */
export interface TestGrant {
  grantId: string;
  subject: string;
  enrolled: Enrolled;
}

/** Makes a pending grant; returns its id, token and URL. */
export async function createGrant(
  work: TestGateway,
  subject: string,
  scope: unknown,
  expiresAt?: Date,
): Promise<{ grantId: string; token: string; url: string }> {
  const { rows } = await work.pool.query<{ grant_id: string; enrollment_token: string; enrollment_url: string }>(
    "select * from federation.create_grant($1, 'home.localhost', $2, $3)",
    [subject, JSON.stringify(scope), expiresAt ?? null],
  );
  const row = rows[0];
  if (row === undefined) {
    throw new Error("no grant was made");
  }
  return { grantId: row.grant_id, token: row.enrollment_token, url: row.enrollment_url };
}

/** A grant of `work` for a subject, enrolled by a local user of `home`. */
export async function enrollGrant(
  work: TestGateway,
  home: TestGateway,
  subject: string,
  user: string,
  scope: unknown,
): Promise<TestGrant> {
  const { grantId, url } = await createGrant(work, subject, scope);
  const enrolled = await addPeer(home.directory, user, url);
  return { grantId, subject, enrolled };
}

/** What the home listener's GraphQL answers. */
export interface HomeAnswer {
  status: number;
  data?: Record<string, unknown> | null;
  errors?: { extensions: { code: string } }[];
  extensions?: { signals?: { source: string; state: string; message: string }[] };
}

/** GraphQL of the home listener, as a local user or as nobody. */
export async function homeQuery(
  home: TestGateway,
  user: string | undefined,
  query: string,
  variables: Record<string, unknown> = {},
  more: Record<string, string> = {},
): Promise<HomeAnswer> {
  const headers: Record<string, string> = { "content-type": "application/json", ...more };
  if (user !== undefined) {
    headers["authorization"] = `Bearer ${await createToken(home.directory, user)}`;
  }
  const response = await fetch(`${home.gateway.homeUrl}/graphql`, {
    method: "POST",
    headers,
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

/** The newest audit rows of a gateway, once what it did so far has been written. */
export async function auditRows(
  work: TestGateway,
  grantId: string | null = null,
): Promise<{ verb: string; outcome: string; code: string; grant_id: string | null; resource: string | null }[]> {
  // A row is there within a second of its answer.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { rows } = await work.pool.query<{
    verb: string;
    outcome: string;
    code: string;
    grant_id: string | null;
    resource: string | null;
  }>("select verb, outcome, code, grant_id, resource from federation.list_audit($1, 1000)", [grantId]);
  return rows;
}
