import { Command, Option } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { requireGrantId } from "./grant-id.ts";

interface CertificateRow {
  serial: string;
  grant_id: string;
  subject_user_id: string;
  peer_host: string;
  not_before: Date;
  not_after: Date;
  issued_at: Date;
  renewed_from: string | null;
  revoked_at: Date | null;
  revocation_reason: string | null;
}

/** `mosaic federation certificate` */
export function certificateCommand(): Command {
  return new Command("certificate")
    .description("The client certificates that were issued to peers under our grants.")
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

function listCommand(): Command {
  return gatewayCommand(
    "list",
    "Every certificate, newest first: which it was renewed from, and whether it is revoked.",
    ["federation certificate list", "federation certificate list --grant 0190b6e2-… --json"],
  )
    .option("--grant <id>", "those of one grant")
    .action(async (options: CommonOptions & { grant?: string }) => {
      const { directory, output } = common(options);
      const { grant } = options;
      if (grant !== undefined) {
        requireGrantId(grant);
      }
      const certificates = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<CertificateRow>("select * from federation.list_certificates($1)", [
            grant ?? null,
          ]);
          return rows;
        }),
      );
      output.result(certificates, () =>
        certificates.length === 0
          ? "No certificate yet: a peer gets one when it enrolls."
          : table(
              ["serial", "grant", "peer", "from", "until", "renewed from", "revoked", "reason"],
              certificates.map((certificate) => [
                certificate.serial,
                certificate.grant_id,
                certificate.peer_host,
                minute(certificate.not_before),
                minute(certificate.not_after),
                certificate.renewed_from,
                certificate.revoked_at === null ? null : minute(certificate.revoked_at),
                certificate.revocation_reason,
              ]),
            ),
      );
    });
}

function minute(time: Date): string {
  return time.toISOString().slice(0, 16).replace("T", " ");
}

function revokeCommand(): Command {
  return gatewayCommand(
    "revoke",
    "Revoke a certificate and all that were renewed from it, for good; the grant goes on. To end the grant: mosaic federation grant revoke.",
    ["federation certificate revoke 4d1f…", "federation certificate revoke 4d1f… --reason keyCompromise"],
  )
    .argument("<serial>", "its serial, hexadecimal, as the list shows it")
    .addOption(
      new Option("--reason <reason>", "the reason that the CRL gives (RFC 5280 §5.3.1)")
        .choices(["unspecified", "keyCompromise", "affiliationChanged"])
        .default("unspecified"),
    )
    .action(async (serial: string, options: CommonOptions & { reason: string }) => {
      const { directory, output } = common(options);
      const name = serial.toLowerCase().replaceAll(":", "");
      const revoked = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<{ serial: string }>(
            "select serial from federation.revoke_certificate($1, $2) as r (serial)",
            [name, options.reason],
          );
          return rows.map((row) => row.serial);
        }),
      );
      output.result({ serial: name, reason: options.reason, revoked }, () =>
        revoked.length === 0
          ? `Certificate ${bold(name)} and all that descend from it were revoked before; nothing has changed.`
          : [
              `Revoked: ${revoked.length === 1 ? "one certificate" : `${revoked.length} certificates`}. Who holds one reads nothing from now on.`,
              ...revoked.map((each) => `  ${each}`),
              "The grant goes on. Where its peer has no other certificate, give it a new URL:  mosaic federation grant enroll <grant>",
            ].join("\n"),
      );
    });
}
