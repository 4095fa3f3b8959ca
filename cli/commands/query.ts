import { Command } from "commander";
import { Pool } from "pg";
import { createPeerConnections } from "../../src/client/peer-connections.ts";
import { createSessions } from "../../src/database/session.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { FederatedPage, HomeQueries } from "../../src/source/home-queries.ts";
import { createHomeQueries } from "../../src/source/home-queries.ts";
import { dim, red, table, visible } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption, jsonOption } from "../command.ts";

interface QueryOptions extends CommonOptions {
  user: string;
  source: string;
}

/** `mosaic query` */
export function queryCommand(): Command {
  return new Command("query")
    .description("Rows that a local user may see: the own ones, a peer's, or all.")
    .addCommand(listCommand())
    .addCommand(getCommand());
}

function userCommand(name: string, description: string, examples: string[]): Command {
  return gatewayCommand(name, description, examples)
    .requiredOption("--user <id>", "the local user who asks")
    .option("--source <source>", "local, federated:<host> or all", "local");
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
        await show(options, (queries) =>
          queries.list(options.user, options.source, {
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
      await show(options, (queries) => queries.get(options.user, options.source, { resource, id }));
    });
}

async function show(options: QueryOptions, ask: (queries: HomeQueries) => Promise<FederatedPage>): Promise<void> {
  const { directory, output } = common(options);
  const page = await useDatabase(directory, async ({ config, keyring, gatewayUrl }) => {
    const pool = new Pool({ connectionString: gatewayUrl, max: 4 });
    const connections = createPeerConnections({ keyring: () => keyring, timeoutMs: config.limits.peerTimeoutMs });
    try {
      const sessions = createSessions(pool, config.limits.statementTimeoutMs);
      return await ask(createHomeQueries({ sessions, connections }));
    } finally {
      await connections.close();
      await pool.end();
    }
  });
  output.result(page, () => pageForPeople(page));
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
    ...page.sources.map(({ source, status, rows, capped, error }) =>
      status === "ok"
        ? dim(`${source}: ${rows} ${rows === 1 ? "row" : "rows"}${capped ? ", cut by the cap of the grant" : ""}`)
        : red(`${source}: ${error?.code ?? "error"}: ${visible(error?.message)}`),
    ),
  ];
  if (page.nextCursor !== null) {
    lines.push(dim(`more: --after ${page.nextCursor}`));
  }
  return lines.join("\n");
}
