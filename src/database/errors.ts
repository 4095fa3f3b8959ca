import { ERROR_TABLE, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

const BY_SQLSTATE = new Map<string, ErrorCode>(
  Object.entries(ERROR_TABLE).flatMap(([code, row]) =>
    "sqlstate" in row ? [[row.sqlstate, code as ErrorCode] as const] : [],
  ),
);

/** Our code of a SQLSTATE of ours; undefined for any other. */
export function codeOfSqlstate(sqlstate: string): ErrorCode | undefined {
  return BY_SQLSTATE.get(sqlstate);
}

// PostgreSQL documentation, appendix A: connection exceptions, lack of resources, operator intervention, query cancelled.
const AWAY = /^(08|53|57)/;
const SOCKET_FAULTS = new Set(["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"]);

/**
 * What a database error means to a caller: our own SQLSTATEs by the error table, an absent or overloaded database as
 * UNAVAILABLE, anything else as INTERNAL, whose text stays in `cause`.
 */
export function fromDatabaseError(error: unknown): FederationError {
  if (error instanceof FederationError) {
    return error;
  }
  const sqlstate = codeOf(error);
  const code = sqlstate === undefined ? undefined : BY_SQLSTATE.get(sqlstate);
  if (code !== undefined && error instanceof Error) {
    const retryAfter = code === "UNAVAILABLE" ? 5 : retryAfterOf(error);
    return new FederationError(code, error.message, {
      cause: error,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    });
  }
  const connectionLost =
    error instanceof Error &&
    /Connection terminated|timeout exceeded when trying|Query read timeout/.test(error.message);
  if (connectionLost || (sqlstate !== undefined && (AWAY.test(sqlstate) || SOCKET_FAULTS.has(sqlstate)))) {
    return new FederationError("UNAVAILABLE", "The database is not available for now.", {
      cause: error,
      retryAfter: 5,
    });
  }
  return new FederationError("INTERNAL", "The request failed.", { cause: error });
}

/** The seconds that the database says, in the detail of its error: `{"retryAfter": 60}`. */
function retryAfterOf(error: Error): number | undefined {
  const detail = "detail" in error && typeof error.detail === "string" ? error.detail : "";
  const seconds = /"retryAfter": (\d{1,6})\b/.exec(detail)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

function codeOf(error: unknown): string | undefined {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return undefined;
}
