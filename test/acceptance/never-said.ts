import type { ErrorCode } from "../../src/errors.ts";

/** The codes that no verb of a peer is ever refused with, each with the reason and with who meets it. */
export const NEVER_SAID: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: "of the home listener, which knows people by tokens; a peer has a certificate or no connection",
  ADMINISTRATORS_ONLY: "of the pages, where people are; a peer reaches none of them",
  ORIGIN_REFUSED: "of the pages, which browsers reach",
  WIDENING_UNCONFIRMED: "of the scope editor",
  CERTIFICATE_EXPIRED:
    "what the calling side tells its own user; to the serving side such a certificate is CERTIFICATE_REVOKED, or refused at TLS",
  TOKEN_SPENT: "of the public listener, where enrollment is (below)",
  CERTIFICATE_INVALID: "of who reads certificates that were given: the enrolling side, and commands",
  SCOPE_INVALID: "of administrators, who write scopes; a peer sends none",
  RESOURCE_INVALID: "of administrators, who register tables",
  AUDIT_BROKEN: "of administrators, who verify the log",
  IDENTITY_UNBOUND: "of administrators: without a users table there is no grant",
  SEAL_BROKEN: "of the start and of commands: no request opens a seal",
  CONFIG_INVALID: "of the start and of commands",
  MOVE_FAILED: "of the command that moves a database",
  REVOCATIONS_LOST:
    "of the start and of administrators; peers are told UNAVAILABLE (above), for it is no business of theirs",
  GATEWAY_RUNNING: "of the start",
  GATEWAY_NOT_RUNNING: "of commands that need a running gateway",
  PEER_UNREACHABLE: "what the calling side tells its own user",
  PEER_TIMEOUT: "what the calling side tells its own user",
  CIRCUIT_OPEN: "what the calling side tells its own user",
  PEER_UNTRUSTED: "what the calling side tells its own user",
  PEER_PROTOCOL: "what the calling side tells its own user",
  PEER_UNKNOWN: "what the calling side tells its own user",
  USAGE: "of the command line",
};
