/**
 * Every error a person or a peer can meet, in one table: stable code, HTTP status, process exit code
 * (sysexits.h numbers), one sentence of meaning and, where the database raises it, its SQLSTATE. The classes of SQLSTATE that begin with
 * a letter from I to Z are free for implementations (ISO/IEC 9075-2 §24.1); ours is `MF`.
 */
export const ERROR_TABLE = {
  IDENTITY_MALFORMED: {
    status: 401,
    exit: 77,
    meaning:
      "The client certificate does not say, exactly once and consistently, which grant and subject it speaks for.",
  },
  CERTIFICATE_UNKNOWN: {
    status: 401,
    exit: 77,
    sqlstate: "MF401",
    meaning: "The client certificate was not recorded for the grant that it names.",
  },
  UNAUTHENTICATED: {
    status: 401,
    exit: 77,
    sqlstate: "MF040",
    meaning:
      "The home listener was given no bearer token, or one that it does not accept; or nobody is signed in to the pages.",
  },
  ADMINISTRATORS_ONLY: {
    status: 403,
    exit: 77,
    sqlstate: "MF041",
    meaning: "Whoever is signed in to the pages is a local user, and what they asked for is for administrators.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    exit: 77,
    meaning:
      "A request to the pages came from a page of another origin, or without the header that only our own pages set.",
  },
  GRANT_UNKNOWN: {
    status: 403,
    exit: 77,
    sqlstate: "MF001",
    meaning: "There is no grant with the id that the certificate names.",
  },
  SUBJECT_MISMATCH: {
    status: 403,
    exit: 77,
    sqlstate: "MF002",
    meaning: "The certificate names another subject than its grant.",
  },
  GRANT_PENDING: { status: 403, exit: 77, sqlstate: "MF003", meaning: "No peer has enrolled under the grant yet." },
  GRANT_SUSPENDED: {
    status: 403,
    exit: 77,
    sqlstate: "MF004",
    meaning: "The grant is suspended until an administrator resumes it.",
  },
  GRANT_REVOKED: { status: 403, exit: 77, sqlstate: "MF005", meaning: "The grant was revoked, for good." },
  GRANT_EXPIRED: { status: 403, exit: 77, sqlstate: "MF006", meaning: "The grant's end has passed." },
  CERTIFICATE_REVOKED: {
    status: 403,
    exit: 77,
    sqlstate: "MF007",
    meaning: "The client certificate was revoked or its validity has ended.",
  },
  CERTIFICATE_EXPIRED: {
    status: 403,
    exit: 77,
    meaning:
      "Our certificate for a peer has ended before it was renewed: a new enrollment URL of the peer's administrator is needed.",
  },
  RESOURCE_DENIED: {
    status: 403,
    exit: 77,
    sqlstate: "MF010",
    meaning: "The resource is not in the grant's scope, is excluded from it or does not exist.",
  },
  NOT_FOUND: {
    status: 404,
    exit: 66,
    sqlstate: "MF011",
    meaning: "What was asked for does not exist or is hidden from the caller; the two are never told apart.",
  },
  BAD_REQUEST: {
    status: 400,
    exit: 65,
    sqlstate: "MF012",
    meaning: "A variable, filter, order, cursor or document id is not well-formed.",
  },
  METHOD_NOT_ALLOWED: { status: 405, exit: 65, meaning: "The path takes another HTTP method." },
  BODY_TOO_LARGE: { status: 413, exit: 65, meaning: "The request's body is larger than the limit." },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, exit: 65, meaning: "The request's body is not declared as application/json." },
  REQUEST_TIMEOUT: { status: 408, exit: 75, meaning: "The request's body did not arrive in time." },
  RATE_LIMITED: {
    status: 429,
    exit: 75,
    meaning:
      "The grant, or a session or an address at the pages, has used its requests for now; `Retry-After` says when to come back.",
  },
  RENEWAL_LIMITED: {
    status: 429,
    exit: 75,
    sqlstate: "MF014",
    meaning:
      "The grant was given as many certificates by renewal as it may have in a day; `Retry-After` says when to come back.",
  },
  UNAVAILABLE: {
    status: 503,
    exit: 69,
    sqlstate: "MF013",
    meaning: "The gateway is busy, its database is away, or a table has lost its protection; try again later.",
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    exit: 75,
    meaning: "The time that the caller gave was up before the answer was there; what was running for it was cancelled.",
  },
  CANCELLED: { status: 499, exit: 130, meaning: "The caller hung up; what was running for it was cancelled." },
  TOKEN_SPENT: {
    status: 410,
    exit: 77,
    sqlstate: "MF030",
    meaning: "The enrollment token has been used, has expired or never was one.",
  },
  CSR_INVALID: {
    status: 400,
    exit: 65,
    meaning: "The certificate signing request cannot be read, or its signature is not by the key it holds.",
  },
  CERTIFICATE_INVALID: {
    status: 400,
    exit: 65,
    meaning: "A certificate cannot be read, or is not the one that was asked for.",
  },
  SCOPE_INVALID: {
    status: 400,
    exit: 65,
    sqlstate: "MF020",
    meaning: "A scope has an unknown key, a value of the wrong kind or a resource that is not registered.",
  },
  SUBJECT_UNKNOWN: { status: 400, exit: 65, sqlstate: "MF021", meaning: "The bound users table holds no such user." },
  RESOURCE_INVALID: {
    status: 400,
    exit: 65,
    sqlstate: "MF022",
    meaning: "A table, column, expression or setting cannot be registered or bound as it was given.",
  },
  AUDIT_BROKEN: {
    status: 409,
    exit: 65,
    meaning: "A row of the audit log was changed, removed, inserted or reordered.",
  },
  WIDENING_UNCONFIRMED: {
    status: 409,
    exit: 65,
    sqlstate: "MF042",
    meaning: "A scope would let out more than the one before it, and whoever saves it has not confirmed that it shall.",
  },
  IDENTITY_UNBOUND: {
    status: 409,
    exit: 78,
    sqlstate: "MF023",
    meaning: "No users table is bound yet: call federation.bind_identity first.",
  },
  CONFLICT: {
    status: 409,
    exit: 65,
    sqlstate: "MF031",
    meaning: "What is there already stands against it: a name that is taken, a state that does not allow the change.",
  },
  SEAL_BROKEN: {
    status: 500,
    exit: 78,
    meaning: "A sealed secret was altered, belongs to another row or was sealed with a key that is not at hand.",
  },
  CONFIG_INVALID: {
    status: 500,
    exit: 78,
    meaning: "The gateway's configuration, folder or secrets are not usable as they are.",
  },
  MOVE_FAILED: {
    status: 500,
    exit: 70,
    meaning:
      "A database could not be moved, or not to the last bit: the target was left empty and the source as it was.",
  },
  REVOCATIONS_LOST: {
    status: 503,
    exit: 78,
    meaning: "The database does not know revocations that its gateway has published: it was restored from a backup.",
  },
  GATEWAY_RUNNING: { status: 409, exit: 73, meaning: "Another process has the gateway's directory open." },
  GATEWAY_NOT_RUNNING: { status: 503, exit: 69, meaning: "The command needs a running gateway, and there is none." },
  PEER_UNREACHABLE: { status: 502, exit: 69, meaning: "The peer does not answer, or not now." },
  PEER_TIMEOUT: { status: 504, exit: 75, meaning: "The peer did not answer in time." },
  CIRCUIT_OPEN: {
    status: 503,
    exit: 69,
    meaning: "The peer failed several times in a row and is not asked until its circuit lets a probe through.",
  },
  PEER_UNTRUSTED: {
    status: 502,
    exit: 76,
    meaning: "The peer's certificate is not issued by the authority that was pinned at enrollment.",
  },
  PEER_PROTOCOL: { status: 502, exit: 76, meaning: "The peer answered with what is no answer of a gateway." },
  PEER_UNKNOWN: { status: 404, exit: 66, meaning: "The user has no peer of that name." },
  USAGE: { status: 400, exit: 64, meaning: "A command's arguments are not usable." },
  INTERNAL: {
    status: 500,
    exit: 70,
    meaning: "A fault of the gateway; the operator's log holds the cause under the request's id.",
  },
} as const satisfies Record<string, { status: number; exit: number; sqlstate?: `MF${string}`; meaning: string }>;

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
  /** Numbers for programs, sent beside the code. */
  readonly details: Readonly<Record<string, number>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryAfter?: number; details?: Record<string, number> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
    this.details = options.details ?? {};
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

/** Any thrown value as an error that can be shown; what is not ours becomes INTERNAL. */
export function asFederationError(error: unknown): FederationError {
  return error instanceof FederationError
    ? error
    : new FederationError("INTERNAL", "The request failed.", { cause: error });
}
