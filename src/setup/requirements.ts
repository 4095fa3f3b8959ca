import { randomUUID } from "node:crypto";
import { Redis } from "iovalkey";
import { Client } from "pg";
import { Client as HttpsClient } from "undici";
import { readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { FederationError } from "../errors.ts";
import { readStepCaRoot } from "./open-authority.ts";

/** Something that a gateway of tier `federated` stands on, as it was found. */
export interface Requirement {
  name: "PostgreSQL" | "pgvector" | "database privileges" | "Valkey" | "step-ca" | "clock";
  /** What was found, or why it will not do. */
  detail: string;
  /** Set where it will not do: what to run or to change. */
  remedy?: string;
}

/** All of it together is known within ten seconds. */
const TIMEOUT_MS = 7_000;
const OLDEST_POSTGRES = 15;
/** One-time tokens of step-ca allow for this much, ms. */
const CLOCK_LEEWAY_MS = 60_000;

/**
 * Looks at everything that the tier needs, all at once; throws nothing.
 *
 * @param options.mayInstallVector installs the extension where the server has it, as a new gateway does
 */
export async function examineRequirements(
  config: Config,
  paths: GatewayPaths,
  options: { mayInstallVector: boolean } = { mayInstallVector: false },
): Promise<Requirement[]> {
  const found = await Promise.all([
    examineDatabase(paths, options.mayInstallVector),
    examineValkey(paths),
    examineStepCa(config, paths),
  ]);
  return found.flat();
}

/**
 * @throws FederationError CONFIG_INVALID that lists every requirement that is not met, with its remedy
 */
export async function requireFederatedTier(
  config: Config,
  paths: GatewayPaths,
  options?: { mayInstallVector: boolean },
): Promise<void> {
  const missing = (await examineRequirements(config, paths, options)).filter(({ remedy }) => remedy !== undefined);
  if (missing.length > 0) {
    const lines = missing.map(({ name, detail, remedy }) => `${name}: ${detail}\n    ${remedy ?? ""}`);
    throw new FederationError("CONFIG_INVALID", `tier federated cannot start:\n  ${lines.join("\n  ")}`);
  }
}

async function examineDatabase(paths: GatewayPaths, mayInstallVector: boolean): Promise<Requirement[]> {
  let client: Client | undefined;
  try {
    client = new Client({
      connectionString: readSecret(paths.adminDatabaseUrl, SECRET_VARIABLES.adminDatabaseUrl),
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
    });
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{
      major: number;
      version: string;
      clock: Date;
      superuser: boolean;
      roles: boolean;
    }>(
      `select current_setting('server_version_num')::integer / 10000 as major, current_setting('server_version') as version,
         clock_timestamp() as clock, r.rolsuper as superuser, r.rolcreaterole as roles
       from pg_roles r where r.rolname = current_user`,
    );
    const server = rows[0];
    if (server === undefined) {
      throw new Error("the server does not say who we are");
    }
    return [
      server.major < OLDEST_POSTGRES
        ? {
            name: "PostgreSQL",
            detail: `version ${server.version}`,
            remedy: `upgrade it to ${OLDEST_POSTGRES} or later`,
          }
        : { name: "PostgreSQL", detail: `version ${server.version}` },
      await examineVector(client, mayInstallVector),
      server.superuser || server.roles
        ? { name: "database privileges", detail: "the administrator may make roles" }
        : {
            name: "database privileges",
            detail: "the administrator may not make roles",
            remedy: "alter role <administrator> createrole",
          },
      clockOf("database", server.clock),
    ];
  } catch (error) {
    return [
      {
        name: "PostgreSQL",
        detail: reason(error),
        remedy: `start it, or correct ${paths.adminDatabaseUrl}; "npm run services:up" starts one for trying things`,
      },
    ];
  } finally {
    await client?.end().catch(() => undefined);
  }
}

async function examineVector(client: Client, mayInstall: boolean): Promise<Requirement> {
  const { rows } = await client.query<{ installed: string | null; available: string | null }>(
    `select (select extversion from pg_extension where extname = 'vector') as installed,
       (select default_version from pg_available_extensions where name = 'vector') as available`,
  );
  const { installed, available } = rows[0] ?? { installed: null, available: null };
  if (installed !== null) {
    await client.query("select '[1,2,3]'::vector <-> '[3,2,1]'");
    return { name: "pgvector", detail: `version ${installed}` };
  }
  if (available !== null && mayInstall) {
    await client.query("create extension vector");
    return { name: "pgvector", detail: `version ${available}, installed now` };
  }
  return available === null
    ? {
        name: "pgvector",
        detail: "the server does not have it",
        remedy:
          "install pgvector beside the server (Debian: postgresql-17-pgvector), or use the image pgvector/pgvector",
      }
    : { name: "pgvector", detail: `version ${available} is there, not installed`, remedy: "create extension vector" };
}

async function examineValkey(paths: GatewayPaths): Promise<Requirement[]> {
  let client: Redis | undefined;
  try {
    const url = readSecret(paths.valkeyUrl, SECRET_VARIABLES.valkeyUrl).replace(/^valkey(s?):/, "redis$1:");
    client = new Redis(url, {
      lazyConnect: true,
      connectTimeout: TIMEOUT_MS,
      commandTimeout: TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    let fault: Error | undefined;
    client.on("error", (error: Error) => (fault = error));
    await client.connect().catch((error: unknown) => {
      throw fault ?? error;
    });
    const key = `mosaic:probe:${randomUUID()}`;
    await client.set(key, "written", "PX", 10_000);
    if ((await client.get(key)) !== "written") {
      throw new Error("what was written was not read back");
    }
    await client.del(key);
    const info = await client.info("server");
    const version = (/^valkey_version:(\S+)/m.exec(info) ?? /^redis_version:(\S+)/m.exec(info))?.[1];
    return [{ name: "Valkey", detail: `version ${version ?? "unknown"}, writable` }];
  } catch (error) {
    return [
      {
        name: "Valkey",
        detail: reason(error),
        remedy: `start it, or correct ${paths.valkeyUrl}; "npm run services:up" starts one for trying things`,
      },
    ];
  } finally {
    client?.disconnect();
  }
}

async function examineStepCa({ stepCa }: Config, paths: GatewayPaths): Promise<Requirement[]> {
  if (stepCa === undefined) {
    return [{ name: "step-ca", detail: "is not configured", remedy: 'set "stepCa" in the configuration' }];
  }
  let client: HttpsClient | undefined;
  try {
    // Nothing but the pinned root is trusted, so an answer proves that step-ca is of that root.
    client = new HttpsClient(stepCa.url, {
      connect: { ca: readStepCaRoot(stepCa, paths), timeout: TIMEOUT_MS },
    });
    const answer = await client.request({ method: "GET", path: "/health", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const health = (await answer.body.json()) as { status?: string };
    if (answer.statusCode !== 200 || health.status !== "ok") {
      throw new Error(`it is not healthy (${answer.statusCode})`);
    }
    const date = answer.headers["date"];
    return [
      { name: "step-ca", detail: "healthy, of the pinned root" },
      ...(typeof date === "string" ? [clockOf("step-ca", new Date(date))] : []),
    ];
  } catch (error) {
    return [
      {
        name: "step-ca",
        detail: reason(error),
        remedy: `start it, or correct "stepCa" in the configuration (is ${stepCa.rootFile} its root?)`,
      },
    ];
  } finally {
    await client?.destroy();
  }
}

function clockOf(whose: string, clock: Date): Requirement {
  const skew = Math.abs(Date.now() - clock.getTime());
  return skew > CLOCK_LEEWAY_MS
    ? {
        name: "clock",
        detail: `the clock of ${whose} is off by ${Math.round(skew / 1000)} s`,
        remedy: "synchronise the clocks of both machines (NTP)",
      }
    : { name: "clock", detail: `agrees with ${whose}'s` };
}

function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) {
    return error.errors[0].message;
  }
  return error instanceof Error ? (error.message === "" ? error.name : error.message) : String(error);
}
