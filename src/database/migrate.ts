import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, DatabaseError } from "pg";
import { packageRoot } from "../config/package-root.ts";
import { FederationError } from "../errors.ts";
import { applySql, isApplied, readSqlFiles } from "./apply-sql.ts";
import { BEGIN } from "./begin.ts";

/** Any number that no application of the same database uses for its own locks; the digits spell MOSAIC on a keypad. */
export const MIGRATION_LOCK = 667_242;

/**
 * Brings a database to this release: tables by graphile-migrate, then `sql/`. Several gateways that start at once do this one
 * after the other, under an advisory lock.
 *
 * @param options.connectionString a role that may create roles and schemas
 * @param options.log receives a line for each step that changed something
 * @throws FederationError CONFIG_INVALID where a later release has migrated it; the database's error
 */
export async function migrateDatabase(options: {
  connectionString: string;
  log?: (line: string) => void;
}): Promise<void> {
  const { connectionString, log } = options;
  const root = packageRoot();
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    if (await hasPendingMigrations(client, join(root, "migrations", "committed"))) {
      await runMigrations(connectionString, join(root, "migrations"), log);
    }
    await makeTrigrams(client, log);
    if (await applySql(client, readSqlFiles(join(root, "sql")))) {
      log?.("functions, policies and triggers applied");
    }
    await bindAgain(client, log);
    await prepareResources(client, log);
  } finally {
    await client.query("select pg_advisory_unlock($1)", [MIGRATION_LOCK]).catch(() => undefined);
    await client.end();
  }
}

/** Searches tolerate typos where pg_trgm is; a database without it, or whose administrator may not install it, is searched without. */
async function makeTrigrams(client: Client, log?: (line: string) => void): Promise<void> {
  const { rows } = await client.query<{ installed: boolean; allowed: boolean }>(
    `select e.installed_version is not null as installed,
       coalesce(has_schema_privilege(to_regnamespace('public'), 'create'), false)
         and has_database_privilege(current_database(), 'create') as allowed
     from pg_catalog.pg_available_extensions e where e.name = 'pg_trgm'`,
  );
  const [extension] = rows;
  if (extension?.installed === true) {
    return;
  }
  if (extension?.allowed === true) {
    // A trusted extension: whoever may create in the database may install it (PostgreSQL documentation, CREATE EXTENSION).
    await client.query("create extension if not exists pg_trgm schema public");
  } else {
    log?.("searches tolerate no typos: the extension pg_trgm is not installed in this database");
  }
}

/** For how long the application's own transactions are waited for, ms: while we wait, those that come later wait for us. */
const LOCK_MS = 3_000;
// PostgreSQL documentation, appendix A: insufficient privilege, duplicate object, lock not available; and ours, RESOURCE_INVALID.
const NOT_BOUND: readonly (string | undefined)[] = ["42501", "42710", "55P03", "MF022"];

/** Puts the triggers of this release on the tables of users and memberships that an earlier one bound. Where it cannot, `mosaic doctor` says so. */
async function bindAgain(client: Client, log?: (line: string) => void): Promise<void> {
  const { rows: gaps } = await client.query("select from federation.identity_gaps()");
  if (gaps.length === 0) {
    return;
  }
  await client.query(BEGIN);
  try {
    await client.query(`set local lock_timeout = ${LOCK_MS}`);
    await client.query("select federation.rebind_identity()");
    await client.query("commit");
    log?.("the tables of users and memberships are bound again: they lacked triggers");
  } catch (error) {
    await client.query("rollback");
    if (!(error instanceof DatabaseError && NOT_BOUND.includes(error.code))) {
      throw error;
    }
    log?.(
      `the tables of users and memberships lack triggers, and must be bound again by their owner: ${error.message}`,
    );
  }
}

/**
 * Writes beforehand how peers read each resource. Those of which it cannot are read by queries that are built anew, or refused, as their tables are.
 *
 * Each is a transaction of its own: one of which it cannot takes the lock of registrations last, and what was written of the others before it is what a
 * removal, which has that lock, may wait for.
 */
async function prepareResources(client: Client, log?: (line: string) => void): Promise<void> {
  const { rows: unprepared } = await client.query<{ name: string }>(
    "select u.name from federation.unprepared_resources() as u (name)",
  );
  // With none at first: what all of them share.
  for (const names of [[], ...unprepared.map(({ name }) => [name])]) {
    await client.query(BEGIN);
    const { rows } = await client.query<{ resource: string; reason: string }>(
      "select * from federation.prepare_resources($1)",
      [names],
    );
    await client.query("commit");
    for (const { resource, reason } of rows) {
      log?.(
        `the resource ${resource} cannot be prepared, and must be registered again if its table was changed: ${reason}`,
      );
    }
  }
}

/** Brings the tables to this release. Most starts have nothing to do here, and do not load graphile-migrate for it. */
async function runMigrations(
  connectionString: string,
  migrationsFolder: string,
  log?: (line: string) => void,
): Promise<void> {
  const [{ Logger }, { migrate }] = await Promise.all([import("@graphile/logger"), import("graphile-migrate")]);
  await migrate({
    connectionString,
    migrationsFolder,
    logger: new Logger(() => (_level, message) => {
      if (/\d+ committed migrations executed/.test(message)) {
        log?.(message.replace(/^graphile-migrate: /, ""));
      }
    }),
  });
}

/**
 * Whether migrations of this release are missing in a database. An older release that starts beside a newer one would put its own functions back over
 * tables that it does not know: it is refused.
 */
async function hasPendingMigrations(client: Client, folder: string): Promise<boolean> {
  const { rows: there } = await client.query<{ there: boolean }>(
    "select to_regclass('graphile_migrate.migrations') is not null as there",
  );
  if (there[0]?.there !== true) {
    return true;
  }
  const ours = readdirSync(folder).map(
    (name) => /^--! Hash: (\S+)$/m.exec(readFileSync(join(folder, name), "utf8"))?.[1] ?? name,
  );
  const { rows } = await client.query<{ filename: string; hash: string }>(
    "select filename, hash from graphile_migrate.migrations order by filename",
  );
  const unknown = rows.filter(({ hash }) => !ours.includes(hash));
  if (unknown.length > 0) {
    throw new FederationError(
      "CONFIG_INVALID",
      `the database was migrated by a later release (${unknown.map(({ filename }) => filename).join(", ")}): start that release`,
    );
  }
  return rows.length < ours.length;
}

/** Whether a database is as this release of the package makes it; changes nothing. */
export async function isUpToDate(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ there: boolean }>(
      "select to_regclass('federation.federation_settings') is not null as there",
    );
    return rows[0]?.there === true && (await isApplied(client, readSqlFiles(join(packageRoot(), "sql"))));
  } finally {
    await client.end();
  }
}
