import type { Client } from "pg";
import { FederationError } from "../errors.ts";
import { differences, readCatalogue } from "./catalogue.ts";
import { contentOf } from "./content-hash.ts";
import { copyRows } from "./copy-rows.ts";
import { joinRoles } from "./join-roles.ts";
import { PRIVILEGES_TABLE, readObjectNames, replaceObjectIds } from "./object-ids.ts";
import type { MoveProgress, MoveReport } from "./report.ts";
import { readRoles } from "./roles.ts";
import { applySchema, SOURCE_ADMINISTRATOR } from "./schema-script.ts";
import { openSealedValues } from "./sealed-values.ts";
import { readSequences, writeSequences } from "./sequences.ts";
import type { MoveSource } from "./source.ts";
import { listTables } from "./tables.ts";
import type { TargetFacts } from "./target.ts";
import { writeRoles } from "./write-roles.ts";

/** What a transfer says of what it did. */
type Transferred = Pick<MoveReport, "tables" | "rows" | "sequences" | "objects" | "sealedValues" | "roles" | "notes">;

/**
 * Moves everything into the target's transaction and compares it there with the source. Leaves the transaction open.
 *
 * @param end ends the source's database, as soon as nothing more is read from it
 * @throws FederationError MOVE_FAILED with what differs, CONFLICT for roles, SEAL_BROKEN
 */
export async function transfer(options: {
  source: MoveSource;
  target: Client;
  facts: TargetFacts;
  batchRows: number;
  progress: MoveProgress;
  end: () => Promise<void>;
}): Promise<Transferred> {
  const { source, target, facts, progress } = options;
  const { before, after } = source.schema;

  progress.step("making roles, schemas, types, functions and tables");
  const owners = new Set([...before, ...after].flatMap(({ owner }) => owner ?? []));
  owners.delete(SOURCE_ADMINISTRATOR);
  // Policies bind whoever is in these: the administrator is not to stay there.
  const passing = ["federation_peer", "federation_user"].filter((role) => owners.delete(role));
  const roles = await writeRoles(target, await readRoles(source.client, "source"), [...owners, "federation_admin"]);
  const leave = await joinRoles(target, passing);
  await applySchema(target, before, facts.administrator);

  const tables = await moveRows(options);
  const sequences = await readSequences(source.client);
  await writeSequences(target, sequences);

  const { rows: views } = await source.client.query<{ name: string }>(
    "select c.oid::regclass::text as name from pg_catalog.pg_class c where c.relkind = 'm' and c.relispopulated order by c.oid",
  );
  const catalogue = await readCatalogue(source.client);
  const major = await majorOf(source.client);
  const sealedValues = await openSealedValues(source.client, source.keyring);
  // What follows may take longer than a silent connection may keep the embedded database.
  await options.end();

  progress.step("making indexes, constraints, triggers and policies");
  await applySchema(target, after, facts.administrator);
  await leave();
  // A view is filled as its owner, whom policies may bind.
  await target.query("set local row_security = on");
  for (const { name } of views) {
    await target.query(`refresh materialized view ${name}`);
  }
  await target.query("set local row_security = off");

  progress.step("comparing what arrived");
  const faults = differences(catalogue, await readCatalogue(target), major === facts.major);
  const arrived = new Map((await readSequences(target)).map((sequence) => [sequence.name, JSON.stringify(sequence)]));
  faults.push(
    ...sequences
      .filter((sequence) => arrived.get(sequence.name) !== JSON.stringify(sequence))
      .map(({ name }) => `sequences: ${name} stands elsewhere`),
  );
  const opened = await openSealedValues(target, source.keyring);
  if (opened !== sealedValues) {
    faults.push(`sealed values: ${opened} arrived of ${sealedValues}`);
  }
  requireNoFault(faults);

  return {
    tables,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    sequences: sequences.length,
    objects: Object.fromEntries(Object.entries(catalogue).map(([kind, objects]) => [kind, objects.size])),
    sealedValues,
    roles: roles.made,
    notes: roles.notes,
  };
}

/** Moves every table's rows and compares them, before policies could hide any from an administrator who is no superuser. */
async function moveRows({
  source,
  target,
  batchRows,
  progress,
}: Pick<Parameters<typeof transfer>[0], "source" | "target" | "batchRows" | "progress">): Promise<
  { name: string; rows: number; hash: string }[]
> {
  const tables = await listTables(source.client);
  const total = tables.reduce((sum, { rows }) => sum + rows, 0);
  const done: { name: string; rows: number; hash: string }[] = [];
  let moved = 0;
  for (const table of tables) {
    const report = (): void => {
      progress.rows({ table: table.name, tableRows: table.rows, moved, total });
    };
    report();
    await copyRows({
      source: source.client,
      target,
      table,
      batchRows,
      onRows: (count) => {
        moved += count;
        report();
      },
    });
    if (table.name === PRIVILEGES_TABLE) {
      await replaceObjectIds(target, await readObjectNames(source.client));
    }
    const [sent, arrived] = await Promise.all([contentOf(source.client, table.name), contentOf(target, table.name)]);
    if (sent.rows !== arrived.rows || sent.hash !== arrived.hash) {
      requireNoFault([
        `rows: ${table.name} has ${arrived.rows} rows with hash ${arrived.hash}, and was sent ${sent.rows} with ${sent.hash}`,
      ]);
    }
    done.push({ name: table.name, ...arrived });
  }
  return done;
}

const SHOWN = 10;

function requireNoFault(faults: readonly string[]): void {
  if (faults.length > 0) {
    const more = faults.length > SHOWN ? [`and ${faults.length - SHOWN} more`] : [];
    throw new FederationError(
      "MOVE_FAILED",
      `what arrived is not what the source holds:\n  ${[...faults.slice(0, SHOWN), ...more].join("\n  ")}`,
    );
  }
}

/** The major version of a server. */
export async function majorOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ major: number }>(
    "select current_setting('server_version_num')::integer / 10000 as major",
  );
  return rows[0]?.major ?? 0;
}
