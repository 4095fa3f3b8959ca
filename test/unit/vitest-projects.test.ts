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
const files = readdirSync(join(import.meta.dirname, "../..", FOLDER)).filter((name) => name.endsWith(".test.ts"));

test("a file with tests that the embedded database does not have runs on PostgreSQL, too: it would be skipped unseen", () => {
  const onPostgres = [...includedBy("federation-postgres"), ...includedBy("federation-step-ca")];
  const conditional = files.filter((name) =>
    /\b(runIf|skipIf)\(/.test(readFileSync(join(import.meta.dirname, "../..", FOLDER, name), "utf8")),
  );
  expect(conditional.length).toBeGreaterThan(5);
  expect(
    conditional.filter(
      (name) => !onPostgres.includes(`${FOLDER}/${name}`) && !EMBEDDED_ALONE.includes(name.replace(".test.ts", "")),
    ),
  ).toEqual([]);
});

test("a file with tests that one kind of authority has runs with the embedded one, too", () => {
  const left = projects.find(({ test: { name } }) => name === "federation-pglite")?.test.exclude ?? [];
  const conditional = files.filter((name) =>
    readFileSync(join(import.meta.dirname, "../..", FOLDER, name), "utf8").includes("skipIf(isStepCa)"),
  );
  expect(conditional.length).toBeGreaterThan(2);
  expect(conditional.filter((name) => left.includes(`${FOLDER}/${name}`))).toEqual([]);
});

test("each file that a project names is there", () => {
  const named = [...includedBy("federation-postgres"), ...includedBy("federation-step-ca")];
  expect(named.filter((path) => !files.includes(path.slice(FOLDER.length + 1)))).toEqual([]);
});
