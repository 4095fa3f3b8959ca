import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { Client } from "pg";
import { lockDirectory } from "../database/directory-lock.ts";
import { FederationError } from "../errors.ts";
import { createLoginRoleIn } from "../setup/login-role.ts";
import { readCatalogue } from "./catalogue.ts";
import { finish, readStaged, requireNoGateway, stage, unstage } from "./new-directory.ts";
import type { MoveProgress, MoveReport } from "./report.ts";
import { readRoles } from "./roles.ts";
import { openSealedValues } from "./sealed-values.ts";
import { readSequences } from "./sequences.ts";
import { objectIdColumns, withSource } from "./source.ts";
import type { MoveSource } from "./source.ts";
import { listTables } from "./tables.ts";
import { withTarget } from "./target-session.ts";
import { examineTarget } from "./target.ts";
import type { TargetFacts } from "./target.ts";
import { majorOf, transfer } from "./transfer.ts";

interface MoveOptions {
  /** Directory of the stopped gateway. */
  from: string;
  /** An administrator's connection string of an empty database. */
  to: string;
  progress: MoveProgress;
}

/** The name under which the target says which move filled it. */
const MARK = "moved_as";

/**
 * Moves a gateway from its embedded database to a PostgreSQL, all in one transaction of the target, and makes a directory for the moved
 * gateway. Interrupted at any point it leaves the source as it was, and can be run again: before the commit the target is empty,
 * after it only the directory is left to finish.
 *
 * @param options.directory the moved gateway's
 * @param options.batchRows the most rows in memory at a time
 * @throws FederationError CONFLICT where the target or the directory is not empty, GATEWAY_RUNNING, MOVE_FAILED, SEAL_BROKEN,
 * UNAVAILABLE, CONFIG_INVALID
 */
export async function moveGateway(
  options: MoveOptions & { directory: string; batchRows: number },
): Promise<MoveReport> {
  const { from, to, directory, batchRows, progress } = options;
  const started = Date.now();
  requireNoGateway(directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(directory, (cause) => {
    throw cause;
  });
  try {
    const staged = readStaged(directory);
    if (staged !== undefined && (await wasMoved(to, staged.id))) {
      finish(directory, staged);
      return { ...staged.report, resumed: true };
    }
    if (staged !== undefined) {
      unstage(directory);
    }

    return await withTarget(to, async (target) => {
      const facts = await examineTarget(target);
      progress.step("opening the embedded database");
      const moved = await withSource(from, async (source, end) => {
        const description = await describe(from, source, facts);
        const transferred = await transfer({ source, target, facts, batchRows, progress, end });
        await target.query("analyze");
        const report: MoveReport = {
          ...description,
          ...transferred,
          notes: [...transferred.notes, ...description.notes],
          directory,
          seconds: (Date.now() - started) / 1000,
        };
        const id = randomUUID();
        const gatewayUrl = await createLoginRoleIn(target, to);
        await mark(target, id);
        try {
          stage(directory, { source: source.paths, adminUrl: to, gatewayUrl, id, report });
        } catch (cause) {
          unstage(directory);
          throw new FederationError("CONFIG_INVALID", `${directory} cannot be written`, { cause });
        }
        // Whether a commit that was cut off took place is for the next run to find out.
        await target.query("commit");
        return report;
      });
      const committed = readStaged(directory);
      if (committed === undefined) {
        throw new FederationError("CONFIG_INVALID", `${directory} was changed by somebody else`);
      }
      finish(directory, committed);
      return moved;
    });
  } finally {
    await lock.release();
  }
}

/**
 * Looks what a move would do, and whether the target would take it; writes nothing.
 *
 * @throws FederationError as `moveGateway` does
 */
export async function previewMove({ from, to, progress }: MoveOptions): Promise<MoveReport> {
  const started = Date.now();
  const facts = await withTarget(to, examineTarget);
  progress.step("opening the embedded database");
  return withSource(from, async (source) => {
    const { client, keyring } = source;
    const tables = await listTables(client);
    const catalogue = await readCatalogue(client);
    return {
      ...(await describe(from, source, facts)),
      dryRun: true,
      tables: tables.map(({ name, rows }) => ({ name, rows })),
      rows: tables.reduce((sum, { rows }) => sum + rows, 0),
      sequences: (await readSequences(client)).length,
      objects: Object.fromEntries(Object.entries(catalogue).map(([kind, objects]) => [kind, objects.size])),
      sealedValues: await openSealedValues(client, keyring),
      roles: (await readRoles(client, "source")).roles.map(({ name }) => name),
      directory: undefined,
      seconds: (Date.now() - started) / 1000,
    };
  });
}

/** What a report says whether anything is moved or not. */
async function describe(
  from: string,
  { client }: MoveSource,
  facts: TargetFacts,
): Promise<Pick<MoveReport, "dryRun" | "resumed" | "source" | "target" | "notes">> {
  const { rows } = await client.query<{ collation: string }>(
    "select datcollate as collation from pg_catalog.pg_database where datname = current_database()",
  );
  const collation = rows[0]?.collation ?? "";
  return {
    dryRun: false,
    resumed: false,
    source: { directory: from, version: `PGlite, PostgreSQL ${await majorOf(client)}` },
    target: { database: facts.database, version: `PostgreSQL ${facts.major}` },
    notes: [
      ...(await objectIdColumns(client)).map(
        (name) => `${name} holds object ids, which name other objects in the target`,
      ),
      ...(collation === facts.collation
        ? []
        : [`text is sorted by the collation ${facts.collation} in the target, where it was ${collation}`]),
    ],
  };
}

/** Whether a target was filled by the move of that id. */
async function wasMoved(to: string, id: string): Promise<boolean> {
  return withTarget(to, async (target) => {
    const { rows: there } = await target.query<{ there: boolean }>(
      "select to_regclass('federation.federation_settings') is not null as there",
    );
    if (there[0]?.there !== true) {
      return false;
    }
    await asOwner(target);
    const { rows } = await target.query<{ value: string }>(
      "select value from federation.federation_settings where name = $1",
      [MARK],
    );
    return rows[0]?.value === id;
  });
}

async function mark(target: Client, id: string): Promise<void> {
  await asOwner(target);
  await target.query("insert into federation.federation_settings (name, value) values ($1, $2)", [MARK, id]);
  await target.query("set local role none");
}

async function asOwner(target: Client): Promise<void> {
  await target.query("set local row_security = on");
  await target.query("set local role federation_owner");
}
