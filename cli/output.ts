import { styleText } from "node:util";
import Table from "cli-table3";

/** Where a command writes: its result to standard output, everything else to standard error. */
export interface Output {
  /** The one result: as JSON with `--json`, for people otherwise. */
  result: (value: unknown, forPeople: () => string) => void;
  /** Progress, silent with `--json`. */
  progress: (line: string) => void;
  /** What the result does not say and somebody should know; on standard error, with `--json`, too. */
  warn: (line: string) => void;
}

/** @param json whether `--json` was given */
export function createOutput(json: boolean): Output {
  return {
    result: (value, forPeople) => {
      process.stdout.write(`${json ? JSON.stringify(value, null, 2) : forPeople()}\n`);
    },
    progress: (line) => {
      if (!json) {
        process.stderr.write(`${dim("·", process.stderr)} ${line}\n`);
      }
    },
    warn: (line) => {
      process.stderr.write(`${yellow(line, process.stderr)}\n`);
    },
  };
}

/** Text of ours with styles in it, which a table shows as it is; what of it came from elsewhere was made visible before. */
export class Styled {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Text of rows in columns; values are shown as they are, with control characters made visible. */
export function table(head: string[], rows: unknown[][]): string {
  const drawn = new Table({ head: head.map((text) => bold(text)), style: { head: [], border: [] }, chars: PLAIN });
  drawn.push(...rows.map((row) => row.map((cell) => (cell instanceof Styled ? cell.text : visible(cell)))));
  return drawn.toString();
}

/** A value on one line, harmless to a terminal: what comes from another organisation may hold escape sequences. */
export function visible(value: unknown): string {
  const text = value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === "\n" || character === "\t" ? " " : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Colour only where the stream is a terminal and `NO_COLOR` is not set (Node documentation, util.styleText). */
const styled =
  (style: Parameters<typeof styleText>[0]) =>
  (text: string, stream: NodeJS.WriteStream = process.stdout): string =>
    styleText(style, text, { stream });
export const bold = styled("bold");
export const dim = styled("dim");
export const green = styled("green");
export const red = styled("red");
export const yellow = styled("yellow");

const PLAIN = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
} as const;
