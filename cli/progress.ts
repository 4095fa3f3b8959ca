import type { Output } from "./output.ts";

/** Rows that are on their way. */
interface RowsState {
  table: string;
  tableRows: number;
  moved: number;
  total: number;
}

const WIDTH = 24;
const TERMINAL_MS = 100;
const LINE_MS = 5_000;

/**
 * Shows how many rows were moved: as a bar that is drawn anew on a terminal, as a line every five seconds otherwise, not at all with
 * `--json`.
 */
export function createRowProgress(
  output: Output,
  options: { json: boolean; stream?: NodeJS.WriteStream },
): { show: (state: RowsState) => void; end: () => void } {
  const stream = options.stream ?? process.stderr;
  let started = 0;
  let shown = 0;
  let drawn = false;
  return {
    show: (state) => {
      const now = Date.now();
      if (started === 0) {
        started = now;
        shown = now;
      }
      const last = state.moved === state.total;
      if (options.json || (!last && now - shown < (stream.isTTY ? TERMINAL_MS : LINE_MS))) {
        return;
      }
      shown = now;
      const line = lineOf(state, (now - started) / 1000);
      if (stream.isTTY) {
        drawn = true;
        // A terminal that does not know its width says 0.
        stream.write(`\r\u001b[K${`${barOf(state)} ${line}`.slice(0, (stream.columns || 80) - 1)}`);
      } else {
        output.progress(line);
      }
    },
    end: () => {
      if (drawn) {
        drawn = false;
        stream.write("\n");
      }
    },
  };
}

function barOf({ moved, total }: RowsState): string {
  const full = Math.round((WIDTH * moved) / Math.max(1, total));
  return `[${"#".repeat(full)}${"-".repeat(WIDTH - full)}]`;
}

function lineOf({ table, moved, total }: RowsState, seconds: number): string {
  const rate = Math.round(moved / Math.max(0.001, seconds));
  const percent = Math.floor((100 * moved) / Math.max(1, total));
  return `${percent} %, ${grouped(moved)} of ${grouped(total)} rows, ${grouped(rate)} rows/s, ${table}`;
}

/** A number with its digits in groups of three. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}
