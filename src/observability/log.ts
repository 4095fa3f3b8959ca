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
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
    },
    destination ?? pino.destination({ fd: 2, sync: false }),
  );
}
