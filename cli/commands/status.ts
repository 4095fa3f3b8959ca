import type { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { bold, green, red, table, yellow } from "../output.ts";

interface Status {
  grants: Record<string, number>;
  peers: { user: string; host: string; state: string; certificateUntil: string }[];
  audit: {
    rowsOfLastDay: number;
    refusedOfLastDay: number;
    droppedOfLastDay: number;
    chains: number;
    hotPartitions: number;
    archivedPartitions: number;
  };
  alerts: { since: string; severity: string; code: string; subject: string; message: string }[];
}

/** `mosaic federation status` */
export function statusCommand(): Command {
  return gatewayCommand("status", "Grants, peers, the audit log of the last day, and what somebody should look at.", [
    "federation status",
    "federation status --json",
  ]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const status = await useDatabase(directory, ({ adminUrl }) =>
      asAdministrator(adminUrl, async (client) => {
        const { rows } = await client.query<{ status: Status }>("select federation.status() as status");
        return rows[0]?.status;
      }),
    );
    if (status === undefined) {
      throw new FederationError("INTERNAL", "The database does not say how it does.");
    }
    output.result(status, () => forPeople(status));
  });
}

function forPeople({ grants, peers, audit, alerts }: Status): string {
  const byStatus = Object.entries(grants).map(([name, count]) => `${count} ${name}`);
  return [
    `${bold("grants")}  ${byStatus.length === 0 ? "none" : byStatus.join(", ")}`,
    `${bold("audit")}   ${audit.rowsOfLastDay} rows in a day, ${audit.refusedOfLastDay} of them refused; ` +
      (audit.droppedOfLastDay === 0 ? "none dropped" : red(`${audit.droppedOfLastDay} dropped`)),
    `        ${audit.chains} chains, ${audit.hotPartitions} weeks at hand, ${audit.archivedPartitions} in the archive`,
    `${bold("peers")}   ${peers.length === 0 ? "none" : ""}`,
    ...(peers.length === 0
      ? []
      : [
          table(
            ["user", "host", "state", "certificate until"],
            peers.map(({ user, host, state, certificateUntil }) => [user, host, state, certificateUntil.slice(0, 10)]),
          ),
        ]),
    ...(alerts.length === 0
      ? [green("No alerts.")]
      : [
          yellow(`${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"}:`),
          table(
            ["since", "severity", "code", "subject", "what"],
            alerts.map(({ since, severity, code, subject, message }) => [since, severity, code, subject, message]),
          ),
        ]),
  ].join("\n");
}
