import type { Command } from "commander";
import type { Visible } from "../../src/explain/explanation.ts";
import { visibleToAdministrator } from "../../src/explain/for-administrator.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, red, table, visible } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption } from "../command.ts";
import { readScope } from "./grant-change.ts";
import { ofGrant } from "./grant-id.ts";

/** `mosaic federation grant visible` */
export function visibleCommand(): Command {
  return gatewayCommand(
    "visible",
    "What the peer of a grant can see now, or could under another scope: rows of each resource, counted and shown. Is audited.",
    [
      "federation grant visible 0190b6e2-…",
      "federation grant visible 0190b6e2-… --samples 0",
      "federation grant visible 0190b6e2-… --scope scope.json      # before: grant update --scope scope.json",
    ],
  )
    .argument("<id>", "the grant's id")
    .option("--scope <file>", "JSON file with another scope to try, or - for standard input; nothing is changed")
    .option("--samples <rows>", "how many rows of each resource to show, 20 at most", integerOption, 3)
    .action(async (id: string, options: CommonOptions & { scope?: string; samples: number }) => {
      const { directory, output } = common(options);
      const scope = options.scope === undefined ? undefined : readScope(options.scope);
      const seen = await ofGrant(id, () =>
        useDatabase(directory, ({ adminUrl }) =>
          visibleToAdministrator(adminUrl, { grantId: id, scope, samples: options.samples }),
        ),
      );
      output.result(seen, () => visibleForPeople(seen, scope !== undefined));
    });
}

function visibleForPeople({ code, grant, resources }: Visible, trial: boolean): string {
  const peer = visible(grant.peer);
  const subject = visible(grant.subject);
  const head = trial
    ? `Under this scope, ${bold(peer)} would see of what ${bold(subject)} sees:`
    : code === "OK"
      ? `${bold(peer)} sees of what ${bold(subject)} sees:`
      : `${bold(peer)} sees ${red("nothing")} now: ${bold(code)}. If the grant served, it would see of what ${bold(subject)} sees:`;
  const count = (rows: number | null, more: boolean): string =>
    rows === null ? "" : `${rows}${more && rows === 10_000 ? "+" : ""}`;
  return [
    head,
    "",
    table(
      ["resource", "rows", `of ${subject}'s`, ""],
      resources.map(({ resource, rows, rowsOfSubject, more, reason }) => [
        resource,
        count(rows, more),
        count(rowsOfSubject, more),
        reason,
      ]),
    ),
    ...resources
      .filter(({ samples }) => samples.length > 0)
      .flatMap(({ resource, samples }) => [
        "",
        bold(visible(resource)),
        ...samples.map((sample) => `  ${visible(sample)}`),
      ]),
  ].join("\n");
}
