/**
 * Every error a person or a peer can meet, in one table: stable code, HTTP status, process exit code
 * (sysexits.h numbers) and, where the database raises it, its SQLSTATE. The classes of SQLSTATE that begin with
 * a letter from I to Z are free for implementations (ISO/IEC 9075-2 §24.1); ours is `MF`.
 */
export const ERROR_TABLE = {
  IDENTITY_MALFORMED: { status: 401, exit: 77 },
  CERTIFICATE_UNKNOWN: { status: 401, exit: 77, sqlstate: "MF401" },
  UNAUTHENTICATED: { status: 401, exit: 77 },
  GRANT_UNKNOWN: { status: 403, exit: 77, sqlstate: "MF001" },
  SUBJECT_MISMATCH: { status: 403, exit: 77, sqlstate: "MF002" },
  GRANT_PENDING: { status: 403, exit: 77, sqlstate: "MF003" },
  GRANT_SUSPENDED: { status: 403, exit: 77, sqlstate: "MF004" },
  GRANT_REVOKED: { status: 403, exit: 77, sqlstate: "MF005" },
  GRANT_EXPIRED: { status: 403, exit: 77, sqlstate: "MF006" },
  CERTIFICATE_REVOKED: { status: 403, exit: 77, sqlstate: "MF007" },
  RESOURCE_DENIED: { status: 403, exit: 77, sqlstate: "MF010" },
  NOT_FOUND: { status: 404, exit: 66, sqlstate: "MF011" },
  BAD_REQUEST: { status: 400, exit: 65, sqlstate: "MF012" },
  METHOD_NOT_ALLOWED: { status: 405, exit: 65 },
  BODY_TOO_LARGE: { status: 413, exit: 65 },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, exit: 65 },
  REQUEST_TIMEOUT: { status: 408, exit: 75 },
  RATE_LIMITED: { status: 429, exit: 75 },
  UNAVAILABLE: { status: 503, exit: 69, sqlstate: "MF013" },
  TOKEN_SPENT: { status: 410, exit: 77, sqlstate: "MF030" },
  CSR_INVALID: { status: 400, exit: 65 },
  CERTIFICATE_INVALID: { status: 400, exit: 65 },
  SCOPE_INVALID: { status: 400, exit: 65, sqlstate: "MF020" },
  SUBJECT_UNKNOWN: { status: 400, exit: 65, sqlstate: "MF021" },
  RESOURCE_INVALID: { status: 400, exit: 65, sqlstate: "MF022" },
  IDENTITY_UNBOUND: { status: 409, exit: 78, sqlstate: "MF023" },
  CONFLICT: { status: 409, exit: 65, sqlstate: "MF031" },
  SEAL_BROKEN: { status: 500, exit: 78 },
  CONFIG_INVALID: { status: 500, exit: 78 },
  GATEWAY_RUNNING: { status: 409, exit: 73 },
  GATEWAY_NOT_RUNNING: { status: 503, exit: 69 },
  PEER_UNREACHABLE: { status: 502, exit: 69 },
  PEER_UNTRUSTED: { status: 502, exit: 76 },
  PEER_PROTOCOL: { status: 502, exit: 76 },
  PEER_UNKNOWN: { status: 404, exit: 66 },
  USAGE: { status: 400, exit: 64 },
  INTERNAL: { status: 500, exit: 70 },
} as const satisfies Record<string, { status: number; exit: number; sqlstate?: `MF${string}` }>;

/** A stable error code: what callers may rely on; messages may change, codes do not. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/**
 * An error with a stable code. `message` is for people and never holds SQL, table names, secrets or another
 * tenant's ids; `cause` holds what the operator's log may show.
 */
export class FederationError extends Error {
  override readonly name = "FederationError";
  readonly code: ErrorCode;
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
  }

  /** The HTTP status of the code. */
  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  /** The exit code of a command that ends with this error. */
  get exitCode(): number {
    return ERROR_TABLE[this.code].exit;
  }
}
