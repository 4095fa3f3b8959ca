import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, jsonOption } from "../command.ts";

/** `mosaic resource` */
export function resourceCommand(): Command {
  return new Command("resource")
    .description("Tables that grants may name.")
    .addCommand(registerCommand())
    .addCommand(listCommand())
    .addCommand(unregisterCommand());
}

interface RegisterOptions extends CommonOptions {
  table: string;
  owner?: string;
  team?: string;
  key?: string;
  text: string[];
  time?: string;
  hide: string[];
  orderBy?: unknown;
  identitySettings?: unknown;
  embedding?: string;
  searchConfig: string;
}

function registerCommand(): Command {
  return gatewayCommand(
    "register",
    "Make a table a resource. Owner and team are columns or SQL expressions over the row.",
    [
      "resource register tasks --table app.tasks --owner owner_id --team team_id --text title body",
      "resource register notes --table app.notes --owner owner_id --embedding meaning",
      `resource register orders --table public.orders --owner employee_id --order-by '[{"column": "order_date", "direction": "desc"}]'`,
    ],
  )
    .argument("<name>", "what grants and peers call it")
    .requiredOption("--table <table>", "the table, with its schema")
    .option("--owner <expression>", "whose row it is")
    .option("--team <expression>", "which team's row it is; null is personal")
    .option("--key <column>", "the key, where it is not the primary key")
    .option("--text <columns...>", "columns that a search looks into", [])
    .option("--time <column>", "when the row was made")
    .option("--hide <columns...>", "columns that never leave", [])
    .option("--embedding <column>", "a column of type vector, for searches; it never leaves, and gets an HNSW index")
    .option("--search-config <name>", "by which words are told, for example english", "simple")
    .option("--order-by <json>", "the order where none is asked for", jsonOption)
    .option("--identity-settings <json>", "the settings that the table's own policies read", jsonOption)
    .action(async (name: string, options: RegisterOptions) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(
          adminUrl,
          (client) =>
            client.query(
              `select federation.register_resource(
                 name => $1, table_id => $2::regclass, owner => $3, team => $4, text_columns => $5, time_column => $6,
                 order_by => $7, key_column => $8, hidden_columns => $9, identity_settings => coalesce($10, '{}'::jsonb),
                 embedding_column => $11, search_config => $12::regconfig
               )`,
              [
                name,
                options.table,
                options.owner ?? null,
                options.team ?? null,
                options.text,
                options.time ?? null,
                options.orderBy === undefined ? null : JSON.stringify(options.orderBy),
                options.key ?? null,
                options.hide,
                options.identitySettings === undefined ? null : JSON.stringify(options.identitySettings),
                options.embedding ?? null,
                options.searchConfig,
              ],
            ),
          "own",
        ),
      );
      output.result({ name, table: options.table, registered: true }, () =>
        [`${options.table} is now the resource ${name}.`, `Grants may name it: {"resources": ["${name}"]}`].join("\n"),
      );
    });
}

interface ResourceRow {
  name: string;
  table: string;
  key_column: string;
  owner_expression: string | null;
  team_expression: string | null;
  columns: string[];
  hidden_columns: string[];
  native_policy: boolean;
}

function listCommand(): Command {
  return gatewayCommand("list", "Every resource.", ["resource list"]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const resources = await useDatabase(directory, ({ adminUrl }) =>
      asAdministrator(adminUrl, async (client) => {
        const { rows } = await client.query<ResourceRow>(
          `select name, table_id::text as "table", key_column::text, owner_expression, team_expression, columns::text[],
             hidden_columns::text[], native_policy
           from federation.list_resources()
           order by name`,
        );
        return rows;
      }),
    );
    output.result(resources, () =>
      resources.length === 0
        ? "No resource yet. Make one with: mosaic resource register --help"
        : table(
            ["resource", "table", "key", "owner", "team", "columns", "hidden", "policies"],
            resources.map((resource) => [
              resource.name,
              resource.table,
              resource.key_column,
              resource.owner_expression,
              resource.team_expression,
              resource.columns.join(", "),
              resource.hidden_columns.join(", "),
              resource.native_policy ? "owner or team" : "the table's own",
            ]),
          ),
    );
  });
}

function unregisterCommand(): Command {
  return gatewayCommand("unregister", "Drop a registration and leave the table as it was found.", [
    "resource unregister tasks",
  ])
    .argument("<name>", "the resource")
    .action(async (name: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, (client) => client.query("select federation.unregister_resource($1)", [name]), "own"),
      );
      output.result(
        { name, registered: false },
        () => `${name} is no longer a resource; its table is as it was found.`,
      );
    });
}
