import { z } from "zod";
import { FederationError } from "../errors.ts";

const cursors = z.record(z.string().max(300), z.string().max(8192));

/** Where each source goes on, as one opaque text. Each source checks the code of its own cursor; this holds nothing secret. */
export function encodeCursors(next: Record<string, string>): string | null {
  return Object.keys(next).length === 0 ? null : Buffer.from(JSON.stringify(next)).toString("base64url");
}

/**
 * Reads what `encodeCursors` wrote.
 *
 * @throws FederationError BAD_REQUEST
 */
export function decodeCursors(text: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch (cause) {
    throw new FederationError("BAD_REQUEST", "The cursor is not one of these sources.", { cause });
  }
  const read = cursors.safeParse(value);
  if (!read.success) {
    throw new FederationError("BAD_REQUEST", "The cursor is not one of these sources.");
  }
  return read.data;
}
