import { pipeline } from "node:stream/promises";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { SourceTable } from "./tables.ts";

// A batch is about this much text, however wide the rows are: with the one that is fetched meanwhile, what is in memory at a time.
const BATCH_BYTES = 4 * 1024 * 1024;
const FIRST_BATCH_ROWS = 200;

const CURSOR = "mosaic_rows";

/**
 * Streams a table's rows from a cursor into `copy … from stdin`; memory does not grow with the table.
 *
 * @param options.batchRows the most rows that are fetched at a time
 * @param options.onRows called with the number of rows of each batch
 * @returns how many rows were moved
 */
export async function copyRows(options: {
  source: Client;
  target: Client;
  table: SourceTable;
  batchRows: number;
  onRows: (count: number) => void;
}): Promise<number> {
  const { source, target, table } = options;
  const columns = table.columns.join(", ");
  await source.query(`declare ${CURSOR} no scroll cursor for select ${columns} from only ${table.name}`);
  const stream = target.query(copyFrom(`copy ${table.name}${columns === "" ? "" : ` (${columns})`} from stdin`));
  let moved = 0;
  await pipeline(async function* () {
    for await (const { text, rows } of batches(source, options.batchRows)) {
      yield text;
      moved += rows;
      options.onRows(rows);
    }
  }, stream);
  await source.query(`close ${CURSOR}`);
  return moved;
}

/** Batches of a cursor's rows in the text format of COPY; the next one is fetched while the last is written. */
async function* batches(source: Client, batchRows: number): AsyncGenerator<{ text: Buffer; rows: number }> {
  let size = Math.min(FIRST_BATCH_ROWS, batchRows);
  let next = fetchRows(source, size);
  for (;;) {
    const rows = await next;
    if (rows.length === 0) {
      return;
    }
    const text = Buffer.from(toCopyText(rows));
    const fitting = Math.max(1, Math.floor((BATCH_BYTES * rows.length) / text.length));
    size = Math.min(batchRows, fitting, size * 4);
    next = fetchRows(source, size);
    // Whoever reads may stop at a fault of the target; the next await reports one of the source.
    next.catch(() => undefined);
    yield { text, rows: rows.length };
  }
}

type TextRow = (string | null)[];

async function fetchRows(source: Client, count: number): Promise<TextRow[]> {
  const { rows } = await source.query<TextRow>({
    text: `fetch forward ${count} from ${CURSOR}`,
    rowMode: "array",
    // Every value stays the text that the server sent.
    types: { getTypeParser: () => (value: string) => value },
  });
  return rows;
}

const SPECIAL = /[\\\n\r\t]/;
const ESCAPES: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Rows in the text format of COPY (PostgreSQL documentation, COPY, "Text Format"). */
function toCopyText(rows: readonly TextRow[]): string {
  return rows.map((row) => `${row.map(toCopyField).join("\t")}\n`).join("");
}

function toCopyField(value: string | null): string {
  if (value === null) {
    return "\\N";
  }
  return SPECIAL.test(value) ? value.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character) : value;
}
