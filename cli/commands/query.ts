import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { FederatedHits, FederatedPage, HomeQueries, SourceOutcome } from "../../src/source/home-queries.ts";
import { askHome } from "../../src/setup/ask-home.ts";
import type { Asked } from "../../src/source/asked.ts";
import { FederationError } from "../../src/errors.ts";
import type { FusedHit } from "../../src/source/fuse.ts";
import { bold, dim, red, Styled, table, visible } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption, jsonOption } from "../command.ts";

interface QueryOptions extends CommonOptions {
  user: string;
  source: string;
  timeout?: number;
}

/** `mosaic query` */
export function queryCommand(): Command {
  return new Command("query")
    .description("Rows that a local user may see: the own ones, a peer's, or all.")
    .addCommand(listCommand())
    .addCommand(getCommand())
    .addCommand(searchCommand());
}

function userCommand(name: string, description: string, examples: string[]): Command {
  return gatewayCommand(name, description, examples)
    .requiredOption("--user <id>", "the local user who asks")
    .option("--source <source>", "local, federated:<host> or all", "local")
    .option(
      "--timeout <ms>",
      "what the answer may take, milliseconds; a peer that is slower is left out",
      integerOption,
    );
}

function listCommand(): Command {
  return userCommand("list", "A page of rows of a resource.", [
    "query list tasks --user alice",
    "query list tasks --user alice --source all --order created_at:desc",
    `query list tasks --user alice --source federated:work.example --filter '{"status": {"eq": "open"}}' --first 10 --json`,
  ])
    .argument("<resource>", "the name of a resource")
    .option("--filter <json>", 'for example {"priority": {"lte": 2}}', jsonOption)
    .option("--order <terms>", "columns, for example due_on:desc,id")
    .option("--first <rows>", "rows of each source", integerOption)
    .option("--after <cursor>", "the nextCursor of the page before")
    .action(
      async (
        resource: string,
        options: QueryOptions & { filter?: unknown; order?: string; first?: number; after?: string },
      ) => {
        const order = options.order?.split(",").map((term) => {
          const [column, direction] = term.split(":");
          return { column, ...(direction === undefined ? {} : { direction }) };
        });
        await show(options, pageForPeople, (queries, asked) =>
          queries.list(asked, options.source, {
            resource,
            filter: options.filter,
            order,
            first: options.first,
            after: options.after,
          }),
        );
      },
    );
}

function getCommand(): Command {
  return userCommand("get", "One row by its id.", [
    "query get tasks 0190b6e2-… --user alice --source federated:work.example",
  ])
    .argument("<resource>", "the name of a resource")
    .argument("<id>", "the row's key")
    .action(async (resource: string, id: string, options: QueryOptions) => {
      await show(options, pageForPeople, (queries, asked) => queries.get(asked, options.source, { resource, id }));
    });
}

function searchCommand(): Command {
  return userCommand("search", "Rows that hold words, best first, of all sources in one list.", [
    "query search certificate --user alice --source all",
    `query search '"failover plan" or dentist -draft' --user alice --resource tasks notes`,
    "query search renewal --user alice --mode hybrid --vector embedding.json",
  ])
    .argument("<text>", 'words, "a phrase", or, -not')
    .option("--resource <names...>", "only in these resources")
    .option("--first <hits>", "hits of each source", integerOption)
    .option("--after <cursor>", "the nextCursor of the page before")
    .addOption(new Option("--mode <mode>", "by words, or by words and embeddings").choices(["keyword", "hybrid"]))
    .option("--vector <file>", "for hybrid: a JSON array of numbers, the embedding of the text; - for standard input")
    .action(
      async (
        query: string,
        options: QueryOptions & { resource?: string[]; first?: number; after?: string; mode?: string; vector?: string },
      ) => {
        const vector = options.vector === undefined ? undefined : readVector(options.vector);
        await show(options, hitsForPeople, (queries, asked) =>
          queries.search(asked, options.source, {
            query,
            resources: options.resource,
            first: options.first,
            after: options.after,
            mode: options.mode ?? (vector === undefined ? undefined : "hybrid"),
            vector,
          }),
        );
      },
    );
}

function readVector(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (cause) {
    throw new FederationError("USAGE", `${file} cannot be read, or is no JSON array of numbers`, { cause });
  }
}

async function show<T>(
  options: QueryOptions,
  forPeople: (answer: T) => string,
  ask: (queries: HomeQueries, asked: Asked) => Promise<T>,
): Promise<void> {
  const { directory, output } = common(options);
  const { page, signals } = await useDatabase(directory, (gateway) =>
    askHome(
      gateway,
      async (queries, askedAs) => {
        const asked = askedAs(options.user);
        try {
          return { page: await ask(queries, asked), signals: asked.signals };
        } finally {
          asked.signals.forEach(({ message }) => {
            output.warn(visible(message));
          });
        }
      },
      { timeoutMs: options.timeout },
    ),
  );
  output.result({ ...page, signals }, () => forPeople(page));
}

/** A page as a table, and below it what every source said. */
export function pageForPeople(page: FederatedPage): string {
  const columns = [...new Set(page.rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== "_source");
  const lines = [
    page.rows.length === 0
      ? "No rows."
      : table(
          ["_source", ...columns.map(visible)],
          page.rows.map((row) => [row["_source"], ...columns.map((name) => row[name])]),
        ),
    "",
    ...sourcesForPeople(page),
  ];
  return lines.join("\n");
}

function hitsForPeople(page: FederatedHits): string {
  return [
    page.hits.length === 0
      ? "No hits."
      : table(
          ["_source", "resource", "id", "match"],
          page.hits.map((hit) => [hit._source, hit.resource, hit.id, snippetForPeople(hit)]),
        ),
    "",
    ...sourcesForPeople(page),
  ].join("\n");
}

function snippetForPeople({ snippet }: FusedHit): Styled {
  return new Styled(
    (snippet?.parts ?? []).map(({ text, match }) => (match ? bold(visible(text)) : visible(text))).join(""),
  );
}

function sourcesForPeople({ sources, nextCursor }: { sources: SourceOutcome[]; nextCursor: string | null }): string[] {
  return [
    ...sources.map(({ source, status, rows, capped, error }) =>
      status === "ok"
        ? dim(`${source}: ${rows} ${rows === 1 ? "row" : "rows"}${capped ? ", cut by the cap of the grant" : ""}`)
        : red(`${source}: ${error?.code ?? "error"}: ${visible(error?.message)}`),
    ),
    ...(nextCursor === null ? [] : [dim(`more: --after ${nextCursor}`)]),
  ];
}
