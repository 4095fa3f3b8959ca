import { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { overlapOf, readAuthorityStatus } from "../../src/setup/authority-status.ts";
import type { AuthorityStatus } from "../../src/setup/authority-status.ts";
import { rotateAuthority } from "../../src/setup/rotate-authority.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { bold, table } from "../output.ts";

/** `mosaic ca` */
export function caCommand(): Command {
  return new Command("ca")
    .description("The certificate authority, whose root peers pin.")
    .addCommand(rotateCommand())
    .addCommand(retireCommand())
    .addCommand(statusCommand());
}

function rotateCommand(): Command {
  return gatewayCommand(
    "rotate",
    "Make a new root that takes over from the one that signs. Both are trusted until a day after the last certificate of the older has ended; peers notice nothing.",
    ["ca rotate", "ca rotate --dir .mosaic --json"],
  ).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const rotated = await useDatabase(directory, rotateAuthority);
    output.result(rotated, () =>
      [
        `new root    ${bold(rotated.fingerprint)}`,
        `before it   ${rotated.predecessor}`,
        "",
        "Gateways that run trust the new one from now on, and sign by it in one to two minutes. The one before",
        "stays trusted until a day after its last certificate has ended, and then retires by itself.",
        "Nothing else is to be done. How far it is:  mosaic ca status",
        "If a key was stolen, this is not enough:    mosaic ca retire --help",
      ].join("\n"),
    );
  });
}

function retireCommand(): Command {
  return gatewayCommand(
    "retire",
    "Trust an older root no more, from now on: its key was stolen. Peers whose certificate is of it are refused, and enroll again. Otherwise it retires by itself.",
    ["ca retire 14c628fb61fc8eb7f0bbb88fff269ffa0fb08170cc75936e045a2cacb6540dd5"],
  )
    .argument("<fingerprint>", "the root's, as `ca status` shows it")
    .action(async (fingerprint: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      const refused = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<{ refused: string }>(
            "select federation.retire_authority($1) as refused",
            [fingerprint.toLowerCase()],
          );
          return Number(rows[0]?.refused);
        }),
      );
      output.result({ fingerprint, refusedCertificates: refused }, () =>
        refused === 0
          ? "The root is trusted no more. No good certificate was of it."
          : `The root is trusted no more. Good certificates of it, which are refused now: ${refused}. A new URL for such a peer:  mosaic federation grant enroll <id>`,
      );
    });
}

function statusCommand(): Command {
  return gatewayCommand("status", "The roots of this gateway: which one signs, which are trusted, and until when.", [
    "ca status",
    "ca status --json",
  ]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const authorities = await useDatabase(directory, ({ adminUrl }) => asAdministrator(adminUrl, readAuthorityStatus));
    output.result(authorities, () => forPeople(authorities));
  });
}

function forPeople(authorities: AuthorityStatus[]): string {
  if (authorities.length === 0) {
    return "There is no root yet: the gateway makes one when it is started.";
  }
  const overlap = overlapOf(authorities);
  return [
    table(
      ["root", "kind", "state", "since", "until", "live certificates", "last ends"],
      authorities.map((one) => [
        one.fingerprint,
        one.kind,
        one.state,
        minute(one.since),
        minute(one.until),
        one.liveCertificates,
        minute(one.lastEnds),
      ]),
    ),
    ...(overlap === undefined ? [] : ["", `A rotation is on. The older root retires ${overlap.retires}.`]),
  ].join("\n");
}

function minute(time: Date | null): string | null {
  return time === null ? null : time.toISOString().slice(0, 16).replace("T", " ");
}
