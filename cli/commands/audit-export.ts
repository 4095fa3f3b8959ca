import { createWriteStream, existsSync, renameSync, rmSync } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { FederationError } from "../../src/errors.ts";
import { grouped } from "../progress.ts";
import type { Output } from "../output.ts";

const PROGRESS_MS = 2_000;

/**
 * Writes lines to a file, compressed where its name ends with .gz; the file is there when it is whole. Without a file, to standard output.
 *
 * @throws FederationError CONFLICT where the file is there
 */
export async function writeLines(
  lines: AsyncIterable<string>,
  file: string | undefined,
  output: Output,
): Promise<number> {
  let written = 0;
  let shown = Date.now();
  const counted = new Transform({
    objectMode: true,
    transform: (line: string, _encoding, done) => {
      written += 1;
      if (file !== undefined && Date.now() - shown > PROGRESS_MS) {
        shown = Date.now();
        output.progress(`${grouped(written)} lines`);
      }
      done(null, line);
    },
  });
  if (file === undefined) {
    await pipeline(Readable.from(lines), counted, process.stdout, { end: false });
    return written;
  }
  if (existsSync(file)) {
    throw new FederationError("CONFLICT", `${file} is there already; choose another name`);
  }
  const partial = `${file}.partial`;
  const sink = createWriteStream(partial, { mode: 0o600 });
  try {
    await (file.endsWith(".gz")
      ? pipeline(Readable.from(lines), counted, createGzip(), sink)
      : pipeline(Readable.from(lines), counted, sink));
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  renameSync(partial, file);
  return written;
}
