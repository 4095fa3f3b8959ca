import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { foreignServer, foreignTable } from "../peers/foreign.ts";
import { readerUrl, STATEMENTS } from "../peers/statements.ts";
import { sampleOf } from "../load/job.ts";
import type { Load, Sample } from "../load/job.ts";
import type { Stage } from "../stage.ts";
import { SUBJECT, teamsInScope } from "../world/rows.ts";
import type { Contender, Question } from "./contender.ts";
import { someInScope } from "./verbs.ts";

/** Requests of a run that ends before a second does. */
const FEW = 100;

/** What pgbench runs as one transaction, and what its variables hold. */
interface Script {
  url: string;
  statements: string[];
  variables: Record<string, string>;
}

/** The limit of PostgreSQL: the hand-written handler's four statements, said by pgbench over plain TCP, what they bring thrown away. */
export function pgbench(stage: Stage): Contender {
  return {
    name: "pgbench",
    run: async (question, load) => {
      const { databaseUrl } = await stage.loaded(question.rows);
      return runPgbench(stage, load, {
        url: readerUrl(databaseUrl),
        statements: [
          STATEMENTS.begin,
          STATEMENTS.session.replace("$1", ":subject").replace("$2", ":teams"),
          asked(question.verb),
          STATEMENTS.commit,
        ],
        variables: {
          subject: SUBJECT,
          teams: teamsInScope(question.teams).join(","),
          ...(await variablesOf(stage, question)),
        },
      });
    },
  };
}

/** (d): another database that has the table as a foreign one, over TLS with a client certificate, asked by pgbench. */
export function postgresFdw(stage: Stage): Contender {
  return {
    name: "postgres_fdw",
    run: async (question, load) => {
      const url = await foreignServer(stage, question.rows);
      return runPgbench(stage, load, {
        url,
        statements: [foreignQuery(question)],
        variables: await variablesOf(stage, question),
      });
    },
  };
}

function foreignQuery(question: Question): string {
  return asked(question.verb).replace("app.tasks", foreignTable(question.teams));
}

/** Parameters of each verb's statement, in their order. */
const PARAMETERS = { list: [":rows"], get: [":id"], search: [":words", ":rows"] } as const satisfies Record<
  Question["verb"],
  string[]
>;

/** A verb's statement with pgbench's variables for its parameters. */
function asked(verb: Question["verb"]): string {
  return STATEMENTS[verb]
    .replace(/\$(\d)/g, (_, place: string) => PARAMETERS[verb][Number(place) - 1] ?? "")
    .replaceAll("\n", " ");
}

async function variablesOf(stage: Stage, question: Question): Promise<{ rows: string; id: string; words: string }> {
  const [some] = await someInScope(stage, question);
  return { rows: String((question.first ?? 50) + 1), id: some?.id ?? "", words: some?.words ?? "" };
}

async function runPgbench(stage: Stage, load: Load, { url, statements, variables }: Script): Promise<Sample> {
  if (load.perSecond !== undefined) {
    throw new Error("pgbench is a limit of closed loops");
  }
  const folder = mkdtempSync(join(stage.folder, "pgbench-"));
  try {
    writeFileSync(join(folder, "script.sql"), statements.map((statement) => `${statement};\n`).join(""));
    const { hostname, port, username, password, pathname } = new URL(url);
    const { stdout } = await promisify(execFile)(
      "pgbench",
      [
        ...["--no-vacuum", "--protocol=prepared", "--file=script.sql", "--log", `--log-prefix=${join(folder, "log")}`],
        ...[`--client=${load.connections}`, `--jobs=${Math.min(2, load.connections)}`, lengthOf(load)],
        ...Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`),
        ...[`--host=${hostname}`, `--port=${port}`, `--username=${username}`, pathname.slice(1)],
      ],
      { cwd: folder, env: { ...process.env, PGPASSWORD: password }, signal: stage.signal },
    );
    const perSecond = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
    const took = latenciesIn(folder);
    if (!(perSecond > 0) || took.length === 0 || /number of failed transactions: [1-9]/.test(stdout)) {
      throw new Error(`pgbench measured nothing: ${stdout}`);
    }
    return sampleOf(took, took.length / perSecond);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** For so long; where few requests are asked for, until each client has made its share: the time would go by while they connect. */
function lengthOf({ requests, connections, mostSeconds }: Load): string {
  return requests < FEW ? `--transactions=${Math.ceil(requests / connections)}` : `--time=${mostSeconds}`;
}

/** Milliseconds of each transaction (PostgreSQL documentation, pgbench, per-transaction logging: the third field, µs). */
function latenciesIn(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith("log."))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line) => Number(line.split(" ")[2]) / 1_000);
}
