import { Command } from "commander";
import { alertsCommand } from "./alerts.ts";
import { auditCommand } from "./audit.ts";
import { certificateCommand } from "./certificate.ts";
import { grantCommand } from "./grant.ts";
import { peerCommand } from "./peer.ts";
import { reconcileCommand } from "./reconcile.ts";
import { statusCommand } from "./status.ts";

/** `mosaic federation` */
export function federationCommand(): Command {
  return new Command("federation")
    .description(
      "Grants that we give and their certificates, peers that we enrolled with, the audit log, and how it all does.",
    )
    .addCommand(grantCommand())
    .addCommand(certificateCommand())
    .addCommand(peerCommand())
    .addCommand(auditCommand())
    .addCommand(statusCommand())
    .addCommand(alertsCommand())
    .addCommand(reconcileCommand());
}
