import { DatabaseError } from "pg";
import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";

/** What never reaches a log, whatever object it is part of. */
const REDACTED = [
  "token",
  "enrollmentToken",
  "password",
  "key",
  "privateKey",
  "authorization",
  "csr",
  "variables",
  "connectionString",
];

/**
 * A structured log, one JSON object a line, to standard error by default; standard output belongs to commands.
 *
 * @param level one of pino's levels, or `silent`
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: errorForLog },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
    },
    destination ?? pino.destination({ fd: 2, sync: false }),
  );
}

/**
 * An error as the log keeps it. What a database says may repeat a value that somebody asked for, and so its words stay out: the code says what
 * happened, and the place where (PostgreSQL documentation §55.8).
 */
function errorForLog(error: unknown): unknown {
  if (error instanceof DatabaseError) {
    const { code, severity, routine, schema, table, column, constraint, file, line } = error;
    return { type: "DatabaseError", code, severity, routine, schema, table, column, constraint, file, line };
  }
  if (!(error instanceof Error)) {
    return error;
  }
  const { name: type, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  return { type, code, message, stack, ...(cause === undefined ? {} : { cause: errorForLog(cause) }) };
}
