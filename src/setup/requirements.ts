import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { Redis } from "iovalkey";
import { Client } from "pg";
import { readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { SUPPORTED_MAJORS } from "../database/supported.ts";
import { FederationError } from "../errors.ts";
import { clockOf, inTime, reason, REQUIREMENT_MS } from "./requirement.ts";
import type { Requirement } from "./requirement.ts";
import { examineStepCa } from "./step-ca-requirement.ts";

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
    inTime("PostgreSQL", examineDatabase(paths, options.mayInstallVector)),
    inTime("Valkey", examineValkey(paths)),
    inTime("step-ca", examineStepCa(config, paths)),
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
      connectionTimeoutMillis: REQUIREMENT_MS,
      query_timeout: REQUIREMENT_MS,
    });
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{
      major: number;
      version: string;
      clock: Date;
      superuser: boolean;
      roles: boolean;
      schemas: boolean;
    }>(
      `select current_setting('server_version_num')::integer / 10000 as major, current_setting('server_version') as version,
         clock_timestamp() as clock, r.rolsuper as superuser, r.rolcreaterole as roles,
         has_database_privilege(current_database(), 'CREATE') as schemas
       from pg_roles r where r.rolname = current_user`,
    );
    const server = rows[0];
    if (server === undefined) {
      throw new Error("the server does not say who we are");
    }
    const { from, to } = SUPPORTED_MAJORS;
    return [
      server.major < from || server.major > to
        ? {
            name: "PostgreSQL",
            detail: `version ${server.version}`,
            remedy: `use PostgreSQL ${from} to ${to}`,
          }
        : { name: "PostgreSQL", detail: `version ${server.version}` },
      await examineVector(client, mayInstallVector),
      await examinePrivileges(paths, server),
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

/** The administrator migrates and makes roles; the gateway's own login, where it has been made, serves. */
async function examinePrivileges(
  paths: GatewayPaths,
  administrator: { superuser: boolean; roles: boolean; schemas: boolean },
): Promise<Requirement> {
  const name = "database privileges";
  if (!administrator.superuser && !administrator.roles) {
    return { name, detail: "the administrator may not make roles", remedy: "alter role <administrator> createrole" };
  }
  if (!administrator.schemas) {
    return {
      name,
      detail: "the administrator may not make schemas",
      remedy: "grant create on database <database> to <administrator>",
    };
  }
  if (!existsSync(paths.gatewayDatabaseUrl) && !process.env[SECRET_VARIABLES.gatewayDatabaseUrl]) {
    return { name, detail: "the administrator may make roles and schemas" };
  }
  const client = new Client({
    connectionString: readSecret(paths.gatewayDatabaseUrl, SECRET_VARIABLES.gatewayDatabaseUrl),
    connectionTimeoutMillis: REQUIREMENT_MS,
    query_timeout: REQUIREMENT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ member: boolean }>(
      "select pg_has_role(oid, 'member') as member from pg_roles where rolname = 'federation_gateway'",
    );
    return rows[0]?.member === true
      ? { name, detail: "the administrator may make roles and schemas, the gateway's login may serve" }
      : { name, detail: "the gateway's login may not serve", remedy: "grant federation_gateway to <login>" };
  } catch (error) {
    return { name, detail: `the gateway's login: ${reason(error)}`, remedy: `correct ${paths.gatewayDatabaseUrl}` };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function examineVector(client: Client, mayInstall: boolean): Promise<Requirement> {
  try {
    return await lookForVector(client, mayInstall);
  } catch (error) {
    return {
      name: "pgvector",
      detail: `it cannot be used: ${reason(error)}`,
      remedy: "create extension vector, as a superuser, in a schema of the search path",
    };
  }
}

async function lookForVector(client: Client, mayInstall: boolean): Promise<Requirement> {
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
      connectTimeout: REQUIREMENT_MS,
      commandTimeout: REQUIREMENT_MS,
      maxRetriesPerRequest: 0,
      // Else it holds the process for two seconds more.
      disconnectTimeout: 50,
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
