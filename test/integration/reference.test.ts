import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateReference, staleFiles } from "../../scripts/reference/generate.ts";
import { packageRoot } from "../../src/config/package-root.ts";
import { readSqlFiles } from "../../src/database/apply-sql.ts";
import { ERROR_TABLE } from "../../src/errors.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";

let database: TestDatabase;
let generated: Map<string, string>;
beforeAll(async () => {
  database = await openTestDatabase();
  generated = await generateReference(database.connectionString);
});
afterAll(() => database.close());

test("the reference pages and GraphQL schemas are those that node scripts/generate-reference.ts writes", () => {
  expect(generated.size).toBeGreaterThan(0);
  expect(staleFiles(generated)).toEqual([]);
});

test("the pictures of the architecture have every folder of src/ and every table of the federation", async () => {
  const page = generated.get("docs/reference/architecture.md") ?? "";
  const folders = readdirSync(join(packageRoot(), "src"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.filter(({ name }) => !page.includes(`| \`${name}\` |`))).toEqual([]);
  const { rows } = await database.pool.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'federation' and tablename !~ '^federation_audit_(log|archive)_'",
  );
  expect(rows).not.toEqual([]);
  expect(rows.filter(({ name }) => !page.includes(`  ${name} {`))).toEqual([]);
});

test("a page that differs by one letter, and one that is not there, are stale", () => {
  const [first] = generated;
  const [path, text] = first ?? ["", ""];
  expect(staleFiles(new Map([[path, `${text}x`]]))).toEqual([path]);
  expect(staleFiles(new Map([["docs/reference/nothing.md", text]]))).toEqual(["docs/reference/nothing.md"]);
});

test("every SQLSTATE that sql/ raises is in the table of errors, and every one in the table is raised", () => {
  const raised = readSqlFiles(join(packageRoot(), "sql")).flatMap(({ text }) =>
    [...text.matchAll(/errcode = '(MF\w+)'/g)].map(([, sqlstate]) => sqlstate),
  );
  const known = Object.values(ERROR_TABLE).flatMap((row) => ("sqlstate" in row ? [row.sqlstate] : []));
  expect([...new Set(raised)].sort()).toEqual(known.sort());
});
