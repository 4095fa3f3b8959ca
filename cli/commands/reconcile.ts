import type { Command } from "commander";
import { reconcileRevocations } from "../../src/setup/reconcile.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { table } from "../output.ts";

/** `mosaic federation reconcile` */
export function reconcileCommand(): Command {
  return gatewayCommand(
    "reconcile",
    "Put back into a database that was restored from a backup what this gateway has published as revoked since. Until then it serves no peer.",
    ["federation reconcile --dry-run", "federation reconcile"],
  )
    .option("--dry-run", "show what the database has lost, and change nothing", false)
    .action(async (options: CommonOptions & { dryRun: boolean }) => {
      const { directory, output } = common(options);
      const found = await useDatabase(directory, (gateway) =>
        reconcileRevocations(gateway, { change: !options.dryRun }),
      );
      const { revoked, behind, restored } = found;
      output.result({ ...found, changed: !options.dryRun }, () => {
        if (revoked.length === 0 && behind === 0) {
          return "The database knows all that this gateway has published as revoked. Nothing is to be done.";
        }
        return [
          `The database is ${behind} revocations behind, and does not know that these are revoked:`,
          table(
            ["serial", "grant", "revoked", "reason", "would have ended"],
            revoked.map((one) => [one.serial, one.grant ?? "", one.revokedAt, one.reason, one.notAfter]),
          ),
          options.dryRun
            ? "Nothing was changed. Without --dry-run they are put back."
            : `Put back: ${restored.certificates} certificates revoked, ${restored.remembered} remembered that the database never had, ${restored.grants} grants ended.\n` +
              "What else changed since the backup is not known here: look at the suspended grants and at the scopes (mosaic federation grant list).",
        ].join("\n");
      });
    });
}
