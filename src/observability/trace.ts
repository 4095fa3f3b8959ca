import { randomBytes } from "node:crypto";

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace that a request belongs to (W3C Trace Context, `traceparent`): the caller's, or a new one; 32 hex digits. */
export function traceIdOf(header: string | string[] | undefined): string {
  const given = typeof header === "string" ? TRACEPARENT.exec(header)?.[1] : undefined;
  return given ?? randomBytes(16).toString("hex");
}

/** The header by which a request of ours begins a trace. */
export function newTraceparent(): string {
  return `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
}
