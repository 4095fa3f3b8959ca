import type { Command } from "commander";
import type { Explanation, ExplainedRow, ExplainedStage } from "../../src/explain/explanation.ts";
import { explainToAdministrator } from "../../src/explain/for-administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, dim, green, red, Styled, table, visible } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption, jsonOption } from "../command.ts";
import { ofGrant } from "./grant-id.ts";

/** How many rows of a filter are explained where nobody says how many. */
const MOST = 20;

/** `mosaic federation grant explain` */
export function explainCommand(): Command {
  return gatewayCommand(
    "explain",
    "Why the peer is served a resource or a row, or is not: which stage decides, asked of the policies themselves. Is audited.",
    [
      "federation grant explain 0190b6e2-… tasks",
      "federation grant explain 0190b6e2-… tasks 9f0c2d4e-…",
      `federation grant explain 0190b6e2-… tasks --filter '{"status": {"eq": "open"}}' --most 50`,
    ],
  )
    .argument("<id>", "the grant's id")
    .argument("<resource>", "the name of a resource")
    .argument("[row]", "the key of a row")
    .option("--filter <json>", "rows that the subject sees, instead of one by its key", jsonOption)
    .option("--most <rows>", `how many rows of the filter, 100 at most (default: ${MOST})`, integerOption)
    .action(
      async (
        id: string,
        resource: string,
        row: string | undefined,
        options: CommonOptions & { filter?: unknown; most?: number },
      ) => {
        const { directory, output } = common(options);
        const { filter, most } = options;
        if (most !== undefined && filter === undefined) {
          throw new FederationError(
            "USAGE",
            "--most says how many rows of a filter: say --filter, too, or leave it out",
          );
        }
        const explained = await ofGrant(id, () =>
          useDatabase(directory, ({ adminUrl }) =>
            explainToAdministrator(adminUrl, { grantId: id, resource, id: row, filter, most: most ?? MOST }),
          ),
        );
        output.result(explained, () => explanationForPeople(explained, row));
      },
    );
}

const YES = new Styled(green("yes"));
const NO = new Styled(red("no"));
const mark = (passes: boolean | null): Styled => (passes === null ? new Styled(dim("–")) : passes ? YES : NO);

function explanationForPeople(explained: Explanation, row: string | undefined): string {
  const [only] = explained.rows;
  const stages: [string, boolean | null, string][] = explained.stages.map((stage) => [
    stage.stage,
    stage.passes,
    stageInWords(stage, explained),
  ]);
  if (row !== undefined && only !== undefined) {
    stages.push(...rowInWords(only, explained));
  }
  const leaving = explained.columns.filter(({ leaves }) => leaves).map(({ name }) => visible(name));
  const staying = explained.columns
    .filter(({ leaves }) => !leaves)
    .map(({ name, decidedBy }) => `${visible(name)} (${decidedBy ?? ""})`);
  const [failing = "", , why = ""] = stages.find(([, passes]) => passes === false) ?? [];
  const opens = explained.stages.every(({ passes }) => passes === true);
  return [
    verdict(explained, row, `${failing}: ${why}`),
    "",
    table(
      ["stage", "passes", "because"],
      stages.map(([stage, passes, why]) => [stage, mark(passes), why]),
    ),
    ...(row === undefined || only === undefined || only.policies.length === 0
      ? []
      : [
          "",
          table(
            ["policy of the table", "kind", "admits the row", ""],
            only.policies.map(({ name, kind, admits, reason }) => [
              name,
              kind,
              mark(admits),
              admits !== null
                ? ""
                : reason === "hidden column"
                  ? "reads a hidden column"
                  : `not asked: ${reason ?? ""}`,
            ]),
          ),
        ]),
    ...(row === undefined && explained.rows.length > 0 ? ["", rowsTable(explained.rows, opens)] : []),
    ...(leaving.length === 0 ? [] : ["", `Columns that leave: ${leaving.join(", ")}`]),
    ...(staying.length === 0 ? [] : [`Columns that stay:  ${staying.join(", ")}`]),
  ].join("\n");
}

function verdict(explained: Explanation, row: string | undefined, because: string): string {
  const { code, decidedBy, grant, resource, rows } = explained;
  const peer = bold(visible(grant.peer));
  const what = row === undefined ? visible(resource) : `row ${visible(row)} of ${visible(resource)}`;
  if (code !== "OK") {
    return `${peer} is ${red("not served")} ${what}: its request ends with ${bold(code)}. Decided by ${visible(because)}.`;
  }
  if (decidedBy === "cap") {
    return `${peer} is ${green("served")} ${what}, but a list has it only on a later page.`;
  }
  const some =
    row !== undefined || rows.length === 0
      ? ""
      : `: ${rows.filter(({ served }) => served).length} of these ${rows.length} rows`;
  return `${peer} is ${green("served")} ${what}${some}.`;
}

function stageInWords({ stage, passes, reason, teams, expiresAt }: ExplainedStage, { resource }: Explanation): string {
  switch (stage) {
    case "grant":
      return `it is ${reason ?? ""}${expiresAt == null ? "" : `, until ${new Date(expiresAt).toISOString()}`}`;
    case "certificate":
      return passes === true ? "one is good" : passes === null ? NO_SESSION : (reason ?? "");
    case "subject":
      return passes === true
        ? `${reason ?? ""}, ${teams === undefined || teams.length === 0 ? "in no team" : `in ${teams.join(", ")}`}`
        : `${reason ?? ""} is gone`;
    default:
      return passes === null ? NO_SESSION : (RESOURCE_WORDS[reason ?? ""]?.(resource) ?? "");
  }
}

const NO_SESSION = "the grant opens no session";

const RESOURCE_WORDS: Record<string, (resource: string) => string> = {
  "": (resource) => `the scope names ${resource}`,
  excluded: (resource) => `the scope excludes ${resource}`,
  "not in scope": (resource) => `the scope does not name ${resource}`,
  "not registered": (resource) => `there is no resource ${resource}`,
  unprotected: () => "row-level security or the scope policy was taken from the table",
};

function rowInWords(row: ExplainedRow, { grant, maxRowsPerQuery }: Explanation): [string, boolean | null, string][] {
  const native = row.native
    ? `${grant.subject} sees it`
    : row.exists === true
      ? `${grant.subject} does not see it`
      : row.exists === false
        ? "there is no such row"
        : `there is no such row, or ${grant.subject} does not see it`;
  const refusing = row.policies.filter(({ kind, admits }) => kind === "restrictive" && admits === false);
  return [
    ["native rights", row.native, native],
    [
      "team",
      row.team,
      row.team === true
        ? "its team is in scope"
        : row.team === null
          ? ""
          : row.teamOfSubject === true
            ? "include_teams does not name its team"
            : row.decidedBy === "policy"
              ? ""
              : `${grant.subject} is not in its team`,
    ],
    [
      "personal",
      row.personal,
      row.personal === null
        ? ""
        : row.personal
          ? "it has no team, and include_personal is true"
          : "it has no team, and include_personal is not true",
    ],
    [
      "cap",
      row.cap,
      row.cap === null
        ? ""
        : row.cap
          ? `among the first ${maxRowsPerQuery}`
          : `an answer has ${maxRowsPerQuery} rows; it comes later`,
    ],
    ...(row.decidedBy === "policy"
      ? [
          ["policy", false, `${refusing.map(({ name }) => name).join(", ")} refuses it to peers`] satisfies [
            string,
            boolean,
            string,
          ],
        ]
      : []),
  ];
}

function rowsTable(rows: readonly ExplainedRow[], opens: boolean): string {
  return table(
    ["row", opens ? "served" : "would be served", "decided by", "admitted by", "refused by"],
    rows.map(({ id, served, decidedBy, policies }) => [
      id,
      mark(served),
      decidedBy,
      policies
        .filter(({ kind, admits }) => kind === "permissive" && admits === true)
        .map(({ name }) => name)
        .join(", "),
      policies
        .filter(({ kind, admits }) => kind === "restrictive" && admits === false)
        .map(({ name }) => name)
        .join(", "),
    ]),
  );
}
