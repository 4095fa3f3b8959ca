// Takes away one policy, one trigger or one table's row-level security at a time and runs the policy tests without it: a
// mutation that no test notices is a rule that nobody would miss. Ends with 1 if there is any.
//
//   node scripts/mutate-policies.ts [text that the statement holds]
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { openEmbedded } from "../src/database/embedded.ts";
import { migrateDatabase } from "../src/database/migrate.ts";
import { loadSampleApp } from "../src/sample/load-sample.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Two runs at a time: each is one process with one embedded database.
const PARALLEL = 2;
// What notices most comes first; the matrix takes longest, so it is asked only where the others noticed nothing.
const STAGES = [
  ["own-tables"],
  ["application-tables", "session", "enrollment", "transitions", "lifecycle"],
  ["lineage", "restored", "subject-end", "notices"],
  ["audit-rollover", "audit", "search"],
  ["matrix"],
].map((names) => names.map((name) => `test/policies/${name}.test.ts`));

// force row level security binds the owner of a table; the tables of the federation let theirs see every row anyway.
const MUTATIONS = `
  select format('drop policy %I on %s', p.polname, p.polrelid::regclass) as statement
  from pg_policy p join pg_class c on c.oid = p.polrelid
  where c.relnamespace::regnamespace::text in ('federation', 'app')
  union all
  select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace::regnamespace::text in ('federation', 'app') and not t.tgisinternal and t.tgparentid = 0
  union all
  -- Fires as any other from then on, and so not where session_replication_role says replica.
  select format('alter table %s enable trigger %I', t.tgrelid::regclass, t.tgname)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace::regnamespace::text in ('federation', 'app') and not t.tgisinternal and t.tgparentid = 0 and t.tgenabled = 'A'
  union all
  select format('alter table %s disable row level security', c.oid::regclass)
  from pg_class c
  where c.relnamespace::regnamespace::text in ('federation', 'app') and c.relrowsecurity
  union all
  select format('alter table %s no force row level security', c.oid::regclass)
  from pg_class c
  where c.relnamespace::regnamespace::text = 'app' and c.relforcerowsecurity
  order by statement`;

const scratch = mkdtempSync(join(tmpdir(), "mosaic-mutations-"));
try {
  process.exitCode = await main(process.argv[2] ?? "");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main(wanted: string): Promise<number> {
  const statements = (await findMutations()).filter((statement) => statement.includes(wanted));
  const control = await firstNotice("select 1", "control");
  if (control !== undefined) {
    console.error(`The tests fail without any mutation: ${control}`);
    return 1;
  }
  const unnoticed: string[] = [];
  const queue = [...statements.entries()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, statement] = next;
      const notice = await firstNotice(statement, String(index));
      console.log(notice === undefined ? `UNNOTICED  ${statement}` : `noticed    ${statement}\n           ${notice}`);
      if (notice === undefined) {
        unnoticed.push(statement);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  console.log(`${statements.length - unnoticed.length} of ${statements.length} mutations noticed`);
  return unnoticed.length === 0 && statements.length > 0 ? 0 : 1;
}

/** Every mutation, read from the catalogue of a database like the one that the tests get. */
async function findMutations(): Promise<string[]> {
  const embedded = await openEmbedded({ dataFolder: join(scratch, "data"), socketFolder: join(scratch, "run") });
  await migrateDatabase({ connectionString: embedded.connectionString });
  await loadSampleApp(embedded.connectionString);
  const client = new Client({ connectionString: embedded.connectionString });
  await client.connect();
  const { rows } = await client.query<{ statement: string }>(MUTATIONS);
  await client.end();
  await embedded.close();
  return rows.map(({ statement }) => statement);
}

/** The name of the first test that fails under a mutation; nothing where all pass. */
async function firstNotice(statement: string, id: string): Promise<string | undefined> {
  for (const files of STAGES) {
    const notice = await runTests(statement, files, join(scratch, `${id}.json`));
    if (notice !== undefined) {
      return notice;
    }
  }
  return undefined;
}

interface Report {
  numTotalTests: number;
  testResults: { name: string; status: string; assertionResults: { status: string; fullName: string }[] }[];
}

async function runTests(statement: string, files: string[], report: string): Promise<string | undefined> {
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const options = [
    "--project",
    "pglite",
    "--bail",
    "1",
    "--maxWorkers",
    "1",
    "--reporter",
    "json",
    "--outputFile",
    report,
  ];
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [vitest, "run", ...options, ...files],
      { cwd: ROOT, env: { ...process.env, MOSAIC_TEST_MUTATION: statement }, maxBuffer: 2 ** 26 },
      (_error, stdout, stderr) => {
        resolve(stdout + stderr);
      },
    );
  });
  let results: Report;
  try {
    results = JSON.parse(readFileSync(report, "utf8")) as Report;
  } catch (cause) {
    throw new Error(`The tests did not run under: ${statement}\n${output}`, { cause });
  }
  rmSync(report);
  if (results.numTotalTests === 0) {
    throw new Error(`No test ran under: ${statement}\n${output}`);
  }
  const failed = results.testResults.flatMap((file) => file.assertionResults).find(({ status }) => status === "failed");
  const brokenFile = results.testResults.find(({ status }) => status === "failed");
  return failed?.fullName ?? (brokenFile === undefined ? undefined : `${brokenFile.name} could not begin`);
}
