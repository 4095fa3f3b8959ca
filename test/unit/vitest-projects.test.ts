import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import config from "../../vitest.config.ts";

const FOLDER = "test/federation";
/** Files whose only conditional tests are of the embedded database. */
const EMBEDDED_ALONE = ["cli"];

const { projects } = z
  .object({
    projects: z.array(
      z.object({
        test: z.object({ name: z.string(), include: z.array(z.string()), exclude: z.array(z.string()).optional() }),
      }),
    ),
  })
  .parse(config.test);
const includedBy = (project: string): string[] =>
  projects.find(({ test: { name } }) => name === project)?.test.include ?? [];
const onPostgres = [...includedBy("federation-postgres"), ...includedBy("federation-step-ca")];
const files = readdirSync(join(import.meta.dirname, "../..", FOLDER)).filter((name) => name.endsWith(".test.ts"));
const filesWith = (what: RegExp): string[] =>
  files.filter((name) => what.test(readFileSync(join(import.meta.dirname, "../..", FOLDER, name), "utf8")));

test("a file with tests that the embedded database does not have runs on PostgreSQL, too: it would be skipped unseen", () => {
  const conditional = filesWith(/\b(runIf|skipIf)\(/);
  expect(conditional.length).toBeGreaterThan(5);
  expect(
    conditional.filter(
      (name) => !onPostgres.includes(`${FOLDER}/${name}`) && !EMBEDDED_ALONE.includes(name.replace(".test.ts", "")),
    ),
  ).toEqual([]);
});

test("a file with tests that one kind of authority has runs with the embedded one, too", () => {
  const left = projects.find(({ test: { name } }) => name === "federation-pglite")?.test.exclude ?? [];
  const conditional = filesWith(/skipIf\(isStepCa\)/);
  expect(conditional.length).toBeGreaterThan(2);
  expect(conditional.filter((name) => left.includes(`${FOLDER}/${name}`))).toEqual([]);
});

test("each file that a project names is there", () => {
  expect(onPostgres.filter((path) => !files.includes(path.slice(FOLDER.length + 1)))).toEqual([]);
});
