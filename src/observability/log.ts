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

/** What gives something away by its looks, wherever in a line it is: in the words of an error that a library wrote, too. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  // The password of a URL; who wrote it may have left an @ or a / in it as it is.
  [/(:\/\/[^\s:/?#@"\\]*):[^\s"\\]+@/g, "$1:[redacted]@"],
  [/(\/enroll\/)[\w-]{20,}/g, "$1[redacted]"],
  [/\b(Bearer\s+)[\w.~+/=-]+/gi, "$1[redacted]"],
  // A JSON Web Token (RFC 7515 §7.1): its header begins with {".
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "[redacted]"],
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|(?="))/gs, "[redacted]"],
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
      hooks: {
        streamWrite: (line) => SECRETS.reduce((text, [secret, instead]) => text.replace(secret, instead), line),
      },
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
  if (error instanceof SyntaxError || type === "GraphQLError") {
    // They repeat a piece of what they were given, and that may be a key or what somebody asked for.
    return { type, code, stack: stack?.slice(stack.indexOf("\n    at ")) };
  }
  return { type, code, message, stack, ...(cause === undefined ? {} : { cause: errorForLog(cause) }) };
}
