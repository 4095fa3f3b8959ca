import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, timeOption } from "../command.ts";

/** `mosaic token` */
export function tokenCommand(): Command {
  return new Command("token")
    .description("Bearer tokens by which the home listener knows local users.")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

function createCommand(): Command {
  return gatewayCommand(
    "create",
    "Make a token for a local user. It is shown once. Beside reading by the home API, it signs the user in to the pages, where they can revoke their grants and remove their peers.",
    ["token create --user alice", "token create --user alice --label laptop --expires 2027-06-30"],
  )
    .requiredOption("--user <id>", "the local user")
    .option("--label <text>", "what it is for")
    .option("--expires <time>", "when it ends", timeOption)
    .action(async (options: CommonOptions & { user: string; label?: string; expires?: Date }) => {
      const { directory, output } = common(options);
      const { made, homeUrl } = await useDatabase(directory, ({ adminUrl, config }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<{ token_id: string; token: string }>(
            "select token_id, token from federation.create_user_token($1, $2, $3)",
            [options.user, options.label ?? null, options.expires ?? null],
          );
          const { address, port } = config.listeners.home;
          return { made: rows[0], homeUrl: `http://${address}:${port}` };
        }),
      );
      if (made === undefined) {
        throw new FederationError("INTERNAL", "The token was not made.");
      }
      output.result({ tokenId: made.token_id, token: made.token, user: options.user }, () =>
        [
          made.token,
          "",
          "It is not shown again. To use it:",
          `  curl ${homeUrl}/graphql -H "authorization: Bearer ${made.token}" -H "content-type: application/json" \\`,
          `    -d '{"query": "{ capabilities { source capabilities } }"}'`,
        ].join("\n"),
      );
    });
}

interface TokenRow {
  token_id: string;
  user_id: string;
  label: string | null;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
}

function listCommand(): Command {
  return gatewayCommand("list", "Every token, without its secret.", ["token list"]).action(
    async (options: CommonOptions) => {
      const { directory, output } = common(options);
      const tokens = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<TokenRow>("select * from federation.list_user_tokens()");
          return rows;
        }),
      );
      output.result(tokens, () =>
        tokens.length === 0
          ? "No token yet. Make one with: mosaic token create --help"
          : table(
              ["token", "user", "label", "made", "ends", "revoked"],
              tokens.map((token) => [
                token.token_id,
                token.user_id,
                token.label,
                token.created_at.toISOString(),
                token.expires_at?.toISOString(),
                token.revoked_at?.toISOString(),
              ]),
            ),
      );
    },
  );
}

function revokeCommand(): Command {
  return gatewayCommand("revoke", "End a token, at once.", ["token revoke 0190b6e2-…"])
    .argument("<id>", "the token's id, as list shows it")
    .action(async (id: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      if (!/^[0-9a-f-]{36}$/.test(id)) {
        throw new FederationError("USAGE", "a token is named by its id, a UUID");
      }
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, (client) => client.query("select federation.revoke_user_token($1)", [id])),
      );
      output.result({ tokenId: id, revoked: true }, () => `Done: ${id} is revoked.`);
    });
}
