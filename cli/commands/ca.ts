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
        "If a key was stolen, this is not enough:    docs/how-to/rotate-the-root.md",
      ].join("\n"),
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
