import { Command, Option } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { table } from "../output.ts";
import { writeLines } from "./audit-export.ts";
import { headsCommand, readHeads, verifyCommand } from "./audit-verify.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption, timeOption } from "../command.ts";

interface AuditRow {
  id: string;
  at: Date;
  grant_id: string | null;
  peer_host: string | null;
  subject_user_id: string | null;
  certificate_serial: string | null;
  verb: string;
  resource: string | null;
  query_hash: string | null;
  outcome: string;
  code: string;
  row_count: number;
  bytes_out: string;
  latency_ms: number;
  request_id: string | null;
  trace_id: string | null;
  actor: string | null;
  details: unknown;
  chain: string | null;
  position: string | null;
  hash: string | null;
}

interface FilterOptions extends CommonOptions {
  grant?: string;
  user?: string;
  verb?: string;
  outcome?: string;
  since?: Date;
  until?: Date;
  history?: boolean;
}

const PAGE_ROWS = 1_000;
const COLUMNS = `id, at, grant_id, peer_host, subject_user_id, certificate_serial, verb, resource, encode(query_hash, 'hex') as query_hash,
  outcome, code, row_count, bytes_out, latency_ms, request_id, trace_id, actor, details, chain, position, encode(hash, 'hex') as hash`;

/** `mosaic federation audit` */
export function auditCommand(): Command {
  return new Command("audit")
    .description("What peers asked for and got, and what administrators changed.")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(verifyCommand())
    .addCommand(headsCommand())
    .addCommand(exportCommand());
}

function withFilters(command: Command): Command {
  return command
    .option("--grant <id>", "only rows of this grant")
    .option("--user <id>", "only rows of this subject")
    .option("--verb <verb>", "only rows of this verb, for example list, enroll, handshake or grant.changed")
    .addOption(new Option("--outcome <outcome>", "only rows with this outcome").choices(["served", "denied", "failed"]))
    .option("--since <time>", "only rows from this time on", timeOption)
    .option("--until <time>", "only rows before this time", timeOption)
    .option("--history", "those in the archive, too: what is older than 90 days");
}

/** Rows that pass the filter, newest first, before the one with the id where one is given. */
function readRows(
  adminUrl: string,
  options: FilterOptions,
  limit: number,
  beforeId: string | null,
): Promise<AuditRow[]> {
  return asAdministrator(adminUrl, async (client) => {
    const { rows } = await client.query<AuditRow>(
      `select ${COLUMNS} from federation.list_audit($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        options.grant ?? null,
        limit,
        options.user ?? null,
        options.verb ?? null,
        options.outcome ?? null,
        options.since ?? null,
        options.until ?? null,
        beforeId,
        options.history ?? false,
      ],
    );
    return rows;
  });
}

function listCommand(): Command {
  return withFilters(
    gatewayCommand("list", "The newest rows of the audit log.", [
      "federation audit list --limit 20",
      "federation audit list --outcome denied --since 2027-01-31",
    ]),
  )
    .option("--limit <number>", "at most so many rows, 10000 at most", integerOption, 50)
    .action(async (options: FilterOptions & { limit: number }) => {
      const { directory, output } = common(options);
      const rows = await useDatabase(directory, ({ adminUrl }) => readRows(adminUrl, options, options.limit, null));
      output.result(rows, () =>
        rows.length === 0
          ? "No row."
          : table(
              ["id", "at", "verb", "resource", "subject", "peer", "outcome", "code", "rows", "ms"],
              rows.map((row) => [
                row.id,
                row.at.toISOString(),
                row.verb,
                row.resource,
                row.subject_user_id ?? row.actor,
                row.peer_host,
                row.outcome,
                row.code,
                String(row.row_count),
                row.latency_ms.toFixed(1),
              ]),
            ),
      );
    });
}

function showCommand(): Command {
  return gatewayCommand("show", "Everything that one row says.", ["federation audit show 42"])
    .argument("<id>", "the row's id", integerOption)
    .action(async (id: number, options: CommonOptions) => {
      const { directory, output } = common(options);
      const [row] = await useDatabase(directory, ({ adminUrl }) =>
        readRows(adminUrl, { ...options, history: true }, 1, String(id + 1)),
      );
      if (row?.id !== String(id)) {
        throw new FederationError("NOT_FOUND", `there is no audit row ${id}`);
      }
      output.result(row, () =>
        table(
          ["what", "value"],
          Object.entries(row)
            .filter(([, value]) => value !== null)
            .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : (value as unknown)]),
        ),
      );
    });
}

function exportCommand(): Command {
  return withFilters(
    gatewayCommand("export", "Rows, newest first, as one JSON object a line, and the heads of the chains last.", [
      "federation audit export > audit.jsonl",
      "federation audit export --since 2027-01-01 --history --to audit.jsonl.gz",
    ]),
  )
    .option("--to <file>", "write there instead of to standard output; compressed where its name ends with .gz")
    .action(async (options: FilterOptions & { to?: string }) => {
      const { directory, output } = common(options);
      const lines = await useDatabase(directory, ({ adminUrl }) =>
        writeLines(exportedLines(adminUrl, options), options.to, output),
      );
      if (options.to !== undefined) {
        output.result({ file: options.to, lines }, () => `${lines} lines written to ${options.to}.`);
      }
    });
}

async function* exportedLines(adminUrl: string, options: FilterOptions): AsyncGenerator<string> {
  let before: string | null = null;
  for (;;) {
    const rows: AuditRow[] = await readRows(adminUrl, options, PAGE_ROWS, before);
    for (const row of rows) {
      yield `${JSON.stringify(row)}\n`;
    }
    before = rows.at(-1)?.id ?? null;
    if (rows.length < PAGE_ROWS) {
      break;
    }
  }
  yield `${JSON.stringify({ heads: await readHeads(adminUrl) })}\n`;
}
