import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { startDeadline } from "../../deadline.ts";
import type { Deadline } from "../../deadline.ts";
import { FederationError } from "../../errors.ts";
import type { AskPages, PagesCaller } from "../../pages/ask.ts";
import { whenClosed } from "../http.ts";

interface Page {
  rows: Record<string, unknown>[];
  next: string | null;
}

const COLUMNS = [
  "id",
  "at",
  "verb",
  "outcome",
  "code",
  "grantId",
  "subject",
  "peerHost",
  "resource",
  "rowCount",
  "bytesOut",
  "latencyMs",
  "certificateSerial",
  "requestId",
  "traceId",
  "actor",
  "details",
] as const;

/** By which a filter is named in the address of an export; as the arguments of the query `audit`. */
const FILTERS: ReadonlySet<string> = new Set([
  "grantId",
  "subject",
  "verb",
  "outcome",
  "code",
  "since",
  "until",
  "archived",
]);

/**
 * Sends the rows of the audit log that the caller may read, newest first, as a file. However long that takes: each page of it has a deadline of its
 * own, in which it is read and the one before taken; who takes nothing for so long, hangs up or is signed out gets no more.
 *
 * @param stepMs what each page may take, ms
 * @throws FederationError BAD_REQUEST where the address names what is no filter, or another format; DEADLINE_EXCEEDED, CANCELLED, UNAUTHENTICATED
 */
export async function exportAudit(
  response: ServerResponse,
  caller: PagesCaller,
  ask: AskPages,
  parameters: URLSearchParams,
  stepMs: number,
): Promise<void> {
  const { format = "ndjson", ...given } = Object.fromEntries(parameters);
  if (format !== "csv" && format !== "ndjson") {
    throw new FederationError("BAD_REQUEST", "An export is csv or ndjson.");
  }
  const unknown = Object.keys(given).find((name) => !FILTERS.has(name));
  if (unknown !== undefined) {
    throw new FederationError("BAD_REQUEST", "The address names what is no filter of the audit log.");
  }
  const filters = { ...given, ...(given["archived"] === undefined ? {} : { archived: given["archived"] === "true" }) };
  const page = (from: PagesCaller, before: string | null): Promise<Page> =>
    ask(from, "query", "audit", { ...filters, before, first: 1_000 }) as Promise<Page>;

  let { rows, next } = await page(caller, null);
  await ask(caller, "mutation", "auditExported", {});
  response.writeHead(200, {
    "content-type": format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson; charset=utf-8",
    "content-disposition": `attachment; filename="audit.${format}"`,
    "cache-control": "no-store",
  });
  if (format === "csv") {
    response.write(`${COLUMNS.join(",")}\r\n`);
  }
  let step: Deadline | undefined;
  whenClosed(response, () => step?.cancel());
  for (;;) {
    step = startDeadline(stepMs);
    try {
      const text = rows.map((row) => (format === "csv" ? csvLine(row) : `${JSON.stringify(row)}\n`)).join("");
      if (!response.write(text)) {
        await drained(response, step);
      }
      if (next === null) {
        break;
      }
      // Nobody asks for these: a file that is taken slowly keeps no idle session alive.
      const session = { ...caller.session, background: true };
      ({ rows, next } = await page({ ...caller, session, deadline: step }, next));
    } finally {
      step.end();
    }
  }
  response.end();
}

/** @throws the deadline's reason */
async function drained(response: ServerResponse, { signal }: Deadline): Promise<void> {
  try {
    await once(response, "drain", { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function csvLine(row: Record<string, unknown>): string {
  return `${COLUMNS.map((column) => csvCell(row[column])).join(",")}\r\n`;
}

/** RFC 4180. A cell that a spreadsheet would take for a formula is made text. */
function csvCell(value: unknown): string {
  const text = value == null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const harmless = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
