import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { table } from "../output.ts";

/** `mosaic admin` */
export function adminCommand(): Command {
  return new Command("admin")
    .description("People who run the federation from the pages.")
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
    .addCommand(endSessionsCommand());
}

function addCommand(): Command {
  return gatewayCommand(
    "add",
    "Let somebody sign in to the pages as an administrator: by a token, which is shown once, or by the configured OpenID Connect provider.",
    ["admin add ada", "admin add ada --oidc-subject 248289761001"],
  )
    .argument("<name>", "what the audit log will call them")
    .option(
      "--oidc-subject <subject>",
      "their subject at the provider that the configuration names, instead of a token",
    )
    .action(async (name: string, options: CommonOptions & { oidcSubject?: string }) => {
      const { directory, output } = common(options);
      const { made, pagesUrl } = await useDatabase(directory, ({ adminUrl, config }) =>
        asAdministrator(adminUrl, async (client) => {
          const issuer = options.oidcSubject === undefined ? undefined : config.pages.oidc?.issuer;
          if (options.oidcSubject !== undefined && issuer === undefined) {
            throw new FederationError("CONFIG_INVALID", "pages.oidc names no provider whose subject it could be");
          }
          const { rows } = await client.query<{ administrator_id: string; token: string | null }>(
            "select * from federation.add_administrator($1, $2, $3)",
            [name, issuer ?? null, options.oidcSubject ?? null],
          );
          const { address, port } = config.listeners.home;
          return { made: rows[0], pagesUrl: `${config.pages.url ?? `http://${address}:${port}`}/pages/` };
        }),
      );
      if (made === undefined) {
        throw new FederationError("INTERNAL", "The administrator was not added.");
      }
      output.result(
        {
          administratorId: made.administrator_id,
          name,
          token: made.token,
          oidcSubject: options.oidcSubject ?? null,
          pagesUrl,
        },
        () =>
          made.token === null
            ? `${name} signs in by the provider at ${pagesUrl}`
            : [made.token, "", `It is not shown again. ${name} signs in with it at ${pagesUrl}`].join("\n"),
      );
    });
}

interface AdministratorRow {
  administrator_id: string;
  name: string;
  has_token: boolean;
  oidc_issuer: string | null;
  oidc_subject: string | null;
  created_at: Date;
  created_by: string;
  last_seen_at: Date | null;
}

function listCommand(): Command {
  return gatewayCommand("list", "Every administrator, without their tokens.", [
    "admin list",
    "admin list --json",
  ]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const administrators = await useDatabase(directory, ({ adminUrl }) =>
      asAdministrator(adminUrl, async (client) => {
        const { rows } = await client.query<AdministratorRow>("select * from federation.list_administrators()");
        return rows;
      }),
    );
    output.result(administrators, () =>
      administrators.length === 0
        ? "No administrator yet. Add one with: mosaic admin add --help"
        : table(
            ["name", "signs in by", "added", "added by", "last seen"],
            administrators.map((one) => [
              one.name,
              one.has_token ? "token" : `${one.oidc_subject ?? ""} at ${one.oidc_issuer ?? ""}`,
              one.created_at.toISOString(),
              one.created_by,
              one.last_seen_at?.toISOString(),
            ]),
          ),
    );
  });
}

function removeCommand(): Command {
  return gatewayCommand("remove", "End an administrator's token and every session of theirs, at once.", [
    "admin remove ada",
  ])
    .argument("<name>", "as list shows it")
    .action(async (name: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, (client) => client.query("select federation.remove_administrator($1)", [name])),
      );
      output.result({ name, removed: true }, () => `Done: ${name} is no administrator any more.`);
    });
}

function endSessionsCommand(): Command {
  return gatewayCommand(
    "end-sessions",
    "Sign every browser of an administrator or of a local user out of the pages, at once. They may sign in again.",
    ["admin end-sessions ada", "admin end-sessions alice --json"],
  )
    .argument("<name>", "of the administrator, or the id of the local user")
    .action(async (name: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      const ended = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<{ ended: number }>(
            "select federation.end_browser_sessions($1) as ended",
            [name],
          );
          return rows[0]?.ended ?? 0;
        }),
      );
      output.result({ name, ended }, () => `Done: ${ended} ${ended === 1 ? "session" : "sessions"} of ${name} ended.`);
    });
}
