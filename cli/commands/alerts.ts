import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { red, Styled, table, yellow } from "../output.ts";

interface AlertRow {
  at: Date;
  severity: "warning" | "critical";
  code: string;
  subject: string;
  message: string;
  resolved_at: Date | null;
  delivered_at: Date | null;
}

/** `mosaic federation alerts` */
export function alertsCommand(): Command {
  return new Command("alerts")
    .description("Conditions that an administrator should look at.")
    .addCommand(listCommand())
    .addCommand(resolveCommand());
}

function listCommand(): Command {
  return gatewayCommand("list", "What is to be looked at, newest first.", [
    "federation alerts list",
    "federation alerts list --all --json",
  ])
    .option("--all", "what is over, too", false)
    .action(async (options: CommonOptions & { all: boolean }) => {
      const { directory, output } = common(options);
      const alerts = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<AlertRow>(
            "select at, severity, code, subject, message, resolved_at, delivered_at from federation.list_alerts($1)",
            [options.all],
          );
          return rows;
        }),
      );
      output.result(alerts, () =>
        alerts.length === 0
          ? "No alerts."
          : table(
              ["since", "severity", "code", "subject", "what", ...(options.all ? ["over since"] : [])],
              alerts.map(({ at, severity, code, subject, message, resolved_at }) => [
                second(at),
                new Styled(severity === "critical" ? red(severity) : yellow(severity)),
                code,
                subject,
                message,
                ...(options.all ? [resolved_at === null ? "" : second(resolved_at)] : []),
              ]),
            ),
      );
    });
}

function resolveCommand(): Command {
  return gatewayCommand(
    "resolve",
    "Say that a condition is over. One that is not is raised again when it is next met.",
    ['federation alerts resolve RENEWAL_FAILED "work.example of alice"'],
  )
    .argument("<code>", "the alert's code")
    .argument("<subject>", "what it is about, as `alerts list` shows it")
    .action(async (code: string, subject: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rowCount } = await client.query(
            "select from federation.list_alerts() where code = $1 and subject = $2",
            [code, subject],
          );
          if (rowCount === 0) {
            throw new FederationError(
              "NOT_FOUND",
              `no alert ${code} about ${subject} is open; see: mosaic federation alerts list`,
            );
          }
          await client.query("select federation.resolve_alert($1, $2)", [code, subject]);
        }),
      );
      output.result({ code, subject, resolved: true }, () => `${code} about ${subject} is over.`);
    });
}

function second(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}
