import { resolve } from "node:path";
import { Command, Option } from "commander";
import { FederationError } from "../../src/errors.ts";
import { moveGateway, previewMove } from "../../src/migrate/move.ts";
import type { MoveReport } from "../../src/migrate/report.ts";
import { upgradeToFederated } from "../../src/setup/federated-services.ts";
import { integerOption } from "../command.ts";
import type { FederatedOptions } from "../federated-options.ts";
import { readFederatedOptions, withFederatedOptions } from "../federated-options.ts";
import { bold, createOutput, table, visible } from "../output.ts";
import { createRowProgress, grouped } from "../progress.ts";

interface MigrateOptions extends FederatedOptions {
  from: string;
  to: string;
  dir?: string;
  dryRun: boolean;
  batchRows: number;
  json: boolean;
}

const EXAMPLES = [
  'migrate-to-federated --from .mosaic --to "postgres://admin:secret@127.0.0.1/work" --dry-run',
  'migrate-to-federated --from .mosaic --to "postgres://admin:secret@127.0.0.1/work" --dir .mosaic-postgres',
  'migrate-to-federated --from .mosaic --to "postgres://admin:secret@127.0.0.1/work" --dir .mosaic-postgres \\\n      --valkey-url valkey://127.0.0.1:6380 --step-ca-url https://127.0.0.1:9000 \\\n      --step-ca-root step-ca/root.pem --step-ca-key step-ca/provisioner.jwk.json',
];

/** `mosaic migrate-to-federated` */
export function migrateToFederatedCommand(): Command {
  const command = new Command("migrate-to-federated")
    .description("Move a stopped gateway from its embedded database to an empty Postgres, all or nothing.")
    .requiredOption("--from <folder>", "directory of the gateway; it is left as it is")
    .addOption(
      new Option("--to <url>", "an administrator's connection string of an empty Postgres 15 to 18")
        .env("MOSAIC_DATABASE_URL")
        .makeOptionMandatory(),
    )
    .option("--dir <folder>", "directory to make for the moved gateway")
    .option("--dry-run", "show what would be moved, and write nothing", false)
    .option("--batch-rows <number>", "the most rows that are fetched at a time", integerOption, 5_000);
  return withFederatedOptions(command)
    .option("--json", "print one JSON value instead of text", false)
    .addHelpText("after", `\nExamples:\n${EXAMPLES.map((line) => `  $ mosaic ${line}`).join("\n")}\n`)
    .action(async (options: MigrateOptions) => {
      const output = createOutput(options.json);
      const rows = createRowProgress(output, options);
      const from = resolve(options.from);
      const progress = {
        step: (line: string) => {
          rows.end();
          output.progress(line);
        },
        rows: rows.show,
      };
      try {
        const federated = options.stepCaUrl === undefined ? undefined : readFederatedOptions(options);
        const report = await run({ ...options, from, progress });
        rows.end();
        const { directory } = report;
        const tier =
          federated === undefined || directory === undefined
            ? "standalone"
            : (await upgradeToFederated({ directory, ...federated, log: output.progress })).tier;
        output.result({ ...report, tier }, () => forPeople(report, tier));
      } finally {
        rows.end();
      }
    });
}

function run(
  options: Pick<MigrateOptions, "from" | "to" | "dir" | "dryRun" | "batchRows"> &
    Pick<Parameters<typeof previewMove>[0], "progress">,
): Promise<MoveReport> {
  const { from, to, dir, batchRows, progress } = options;
  if (options.dryRun) {
    return previewMove({ from, to, progress });
  }
  if (dir === undefined) {
    throw new FederationError("USAGE", "a move needs --dir, the directory to make for the moved gateway");
  }
  if (batchRows < 1) {
    throw new FederationError("USAGE", "--batch-rows is at least 1");
  }
  return moveGateway({ from, to, directory: resolve(dir), batchRows, progress });
}

function forPeople(report: MoveReport, tier: string): string {
  const filled = report.tables.filter(({ rows }) => rows > 0);
  const empty = report.tables.length - filled.length;
  const objects = Object.entries(report.objects).filter(([, count]) => count > 0);
  const rate = report.rows / Math.max(0.001, report.seconds);
  return [
    table(
      ["table", "rows"],
      filled.map(({ name, rows }) => [name, grouped(rows)]),
    ),
    ...(empty > 0 ? [`and ${empty} tables without rows`] : []),
    "",
    `${grouped(report.rows)} rows, ${report.sequences} sequences, ${report.sealedValues} sealed values, ${objects.map(([kind, count]) => `${count} ${kind}`).join(", ")}`,
    ...report.notes.map((note) => `! ${visible(note)}`),
    "",
    ...(report.dryRun
      ? [
          `This would move to the database ${bold(visible(report.target.database))}, which can take it. Nothing was written.`,
        ]
      : [
          report.resumed
            ? "An earlier run had moved everything; its directory is finished now."
            : `Moved and compared in ${report.seconds.toFixed(1)} s, ${grouped(Math.round(rate))} rows/s: every row, sequence and sealed value arrived.`,
          `Next:  ${bold(`mosaic doctor --dir ${report.directory ?? ""}`)}, then ${bold(`mosaic serve --dir ${report.directory ?? ""}`)}`,
          `Its tier is ${tier} now.`,
          `The old gateway in ${report.source.directory} is as it was; do not start it again beside the new one.`,
        ]),
  ].join("\n");
}
