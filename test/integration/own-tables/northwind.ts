import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { packageRoot } from "../../../src/config/package-root.ts";
import { migrateDatabase } from "../../../src/database/migrate.ts";
import { openEmptyDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";

/** The role that owns the tables of Northwind in the tests: no superuser, a member of federation_admin. */
export const NORTHWIND_OWNER = "northwind_owner";

/** A migrated database that holds Northwind in its schema `public`, owned by {@link NORTHWIND_OWNER}; nothing is registered. */
export async function openNorthwind(): Promise<TestDatabase> {
  const database = await openEmptyDatabase();
  await migrateDatabase({ connectionString: database.connectionString });
  // A connection of its own: the file leaves session settings behind.
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  await client.query(readFileSync(join(packageRoot(), "test/data/northwind.sql"), "utf8"));
  await client.query(`
    do $$
    declare
      item record;
    begin
      begin
        create role ${NORTHWIND_OWNER} nologin;
      exception
        when duplicate_object or unique_violation then null;
      end;
      for item in select c.oid::regclass as id from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' loop
        execute format('alter table %s owner to ${NORTHWIND_OWNER}', item.id);
      end loop;
    end
    $$;
    grant create on schema public to ${NORTHWIND_OWNER};
    grant federation_admin to ${NORTHWIND_OWNER};
  `);
  await client.end();
  return database;
}

/** The statements of a how-to page: its fenced blocks marked with exactly these words, in order. */
export function statementsOf(page: string, mark: "sql" | "sql undo" | "sql example"): string[] {
  const text = readFileSync(join(packageRoot(), "docs/how-to", page), "utf8");
  return [...text.matchAll(/^```([a-z ]+)\n(.*?)^```$/gms)].flatMap(([, found, block]) =>
    found === mark && block !== undefined ? [block] : [],
  );
}

/** Runs statements, each as written, in one transaction as a role, and commits. */
export async function runAs(database: TestDatabase, role: string, statements: readonly string[]): Promise<void> {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    for (const statement of statements) {
      await client.query(statement);
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}
