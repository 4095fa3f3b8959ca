import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";

/** `mosaic identity` */
export function identityCommand(): Command {
  return new Command("identity")
    .description("Where this database keeps its users and their teams.")
    .addCommand(bindCommand())
    .addCommand(showCommand());
}

interface BindOptions extends CommonOptions {
  users: string;
  userColumn: string;
  memberships?: string;
  memberUserColumn?: string;
  memberTeamColumn?: string;
  userDeletedColumn?: string;
  memberDeletedColumn?: string;
}

function bindCommand(): Command {
  return gatewayCommand(
    "bind",
    "Name the tables of users and memberships. Deleting a user then revokes their grants, as does taking them out of the last team of a grant of team rows only.",
    [
      "identity bind --users app.users --user-column id --user-deleted-column deleted_at",
      "identity bind --users app.users --user-column id --memberships app.memberships --member-user-column user_id --member-team-column team_id",
    ],
  )
    .requiredOption("--users <table>", "the table of users")
    .requiredOption("--user-column <column>", "their key")
    .option("--memberships <table>", "the table of memberships")
    .option("--member-user-column <column>", "the user in it")
    .option("--member-team-column <column>", "the team in it")
    .option("--user-deleted-column <column>", "a boolean, or a time: a user with true or any time in it is deleted")
    .option("--member-deleted-column <column>", "the same for a membership")
    .action(async (options: BindOptions) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(
          adminUrl,
          (client) => {
            client.on("notice", ({ message }) => {
              output.warn(message ?? "");
            });
            return client.query(
              `select federation.bind_identity(
                 users_table => $1::regclass, user_column => $2, memberships_table => $3::regclass, member_user_column => $4,
                 member_team_column => $5, user_deleted_column => $6, member_deleted_column => $7
               )`,
              [
                options.users,
                options.userColumn,
                options.memberships ?? null,
                options.memberUserColumn ?? null,
                options.memberTeamColumn ?? null,
                options.userDeletedColumn ?? null,
                options.memberDeletedColumn ?? null,
              ],
            );
          },
          "own",
        ),
      );
      output.result(
        { users: options.users, memberships: options.memberships ?? null },
        () => `Users are in ${options.users}.`,
      );
    });
}

function showCommand(): Command {
  return gatewayCommand("show", "The tables that are bound.", ["identity show"]).action(
    async (options: CommonOptions) => {
      const { directory, output } = common(options);
      const bound = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<Record<string, string>>(
            `select users_table::text, user_column::text, memberships_table::text, member_user_column::text, member_team_column::text,
             user_deleted_column::text, member_deleted_column::text
           from federation.bound_identity()`,
          );
          return rows[0] ?? null;
        }),
      );
      output.result(bound, () =>
        bound === null
          ? "Nothing is bound yet: mosaic identity bind --help"
          : table(
              ["", ""],
              Object.entries(bound).map(([name, value]) => [name.replaceAll("_", " "), value]),
            ),
      );
    },
  );
}
