import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { readSignedHeads, signHeads } from "../../src/setup/audit-heads.ts";
import { verifyAudit } from "../../src/setup/verify-audit.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, green, red, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";

/** `mosaic federation audit verify` */
export function verifyCommand(): Command {
  return gatewayCommand(
    "verify",
    "Walk every chain of the audit log, and name the first row that was changed, removed, inserted or reordered.",
    [
      "federation audit verify",
      "federation audit verify --json",
      "federation audit verify --heads heads-2027-01-31.json",
    ],
  )
    .option("--heads <file>", "also compare with heads that were signed before: their rows must still be there")
    .option("--key <thumbprint>", "whose signature the heads must have, where it is not this gateway's")
    .action(async (options: CommonOptions & { heads?: string; key?: string }) => {
      const { directory, output } = common(options);
      const { chains, lost } = await useDatabase(directory, async ({ adminUrl, paths }) => {
        const kept = options.heads === undefined ? undefined : await readSignedHeads(paths, options.heads, options.key);
        return verifyAudit(adminUrl, kept?.heads ?? []);
      });
      const broken = chains.filter(({ fault }) => fault !== null);
      const ok = broken.length === 0 && lost.length === 0;
      output.result({ ok, chains, truncated: lost }, () =>
        [
          table(
            ["chain", "rows that hold", "fault", "at position", "row"],
            chains.map(({ chain, entries, fault, fault_position, fault_id }) => [
              chain,
              entries,
              fault ?? "none",
              fault_position,
              fault_id,
            ]),
          ),
          "",
          ...lost.map(({ chain, position }) =>
            red(`${chain}: the row at position ${position}, its head once, is not there any more.`),
          ),
          ok
            ? green(options.heads === undefined ? "Every chain holds." : "Every chain holds, and reaches its old head.")
            : red(
                `${new Set([...broken, ...lost].map(({ chain }) => chain)).size} of ${chains.length} chains are broken.`,
              ),
        ].join("\n"),
      );
      if (!ok) {
        throw new FederationError("AUDIT_BROKEN", "the audit log was tampered with; see above");
      }
    });
}

/** `mosaic federation audit heads` */
export function headsCommand(): Command {
  return gatewayCommand(
    "heads",
    "The newest row of each chain, signed: kept elsewhere, they show later whether the end of a chain was cut off.",
    ["federation audit heads --to heads-2027-01-31.json", "federation audit verify --heads heads-2027-01-31.json"],
  )
    .option("--to <file>", "write the signed heads there")
    .action(async (options: CommonOptions & { to?: string }) => {
      const { directory, output } = common(options);
      const { heads, signed, thumbprint } = await useDatabase(directory, async ({ adminUrl, config, paths }) => {
        const found = await readHeads(adminUrl);
        const statement = { host: config.host, at: new Date().toISOString(), heads: found };
        return { heads: found, ...(await signHeads(paths, statement)) };
      });
      if (options.to !== undefined) {
        try {
          writeFileSync(options.to, `${JSON.stringify(signed)}\n`, { flag: "wx", mode: 0o600 });
        } catch (cause) {
          throw new FederationError("CONFLICT", `${options.to} cannot be written, or is there already`, { cause });
        }
      }
      output.result({ heads, signed, thumbprint }, () =>
        [
          table(
            ["chain", "position", "hash"],
            heads.map(({ chain, position, hash }) => [chain, position, hash]),
          ),
          "",
          `Signed by the key with the thumbprint ${bold(thumbprint)}${options.to === undefined ? "; --to writes the signature" : `, in ${options.to}`}.`,
        ].join("\n"),
      );
    });
}

/** The newest row of each chain. */
export async function readHeads(adminUrl: string): Promise<{ chain: string; position: string; hash: string }[]> {
  return asAdministrator(adminUrl, async (client) => {
    const { rows } = await client.query<{ chain: string; position: string; hash: string }>(
      "select chain, position, hash from federation.audit_heads()",
    );
    return rows;
  });
}
