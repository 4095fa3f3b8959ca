import { FederationError } from "../errors.ts";

// What OpenSSL and Node say of a certificate that they do not accept (Node documentation, tls, "X509 certificate error codes").
const UNTRUSTED =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|ERR_SSL_)/;

// undici documentation, "Errors"; ETIMEDOUT is the kernel's.
const TOO_SLOW = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ETIMEDOUT"]);

/** What a failure below HTTP means: a peer that is not who it should be, or one that cannot be reached. */
export function fromTransportError(error: unknown, host: string): FederationError {
  if (error instanceof FederationError) {
    return error.code === "DEADLINE_EXCEEDED" ? peerTimeout(host, error) : error;
  }
  const code = codeOf(error);
  if (code !== undefined && TOO_SLOW.has(code)) {
    return peerTimeout(host, error);
  }
  if (code !== undefined && UNTRUSTED.test(code)) {
    return new FederationError(
      "PEER_UNTRUSTED",
      `${host} did not prove to be the gateway that we enrolled with, or did not accept our certificate (${code})`,
      { cause: error },
    );
  }
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
    return new FederationError("PEER_PROTOCOL", `${host} answered with more than we take`, { cause: error });
  }
  return new FederationError(
    "PEER_UNREACHABLE",
    `${host} cannot be reached (${code ?? "no answer"}); check that its gateway runs and that this machine can reach it`,
    { cause: error },
  );
}

/** A peer whose time was up. */
export function peerTimeout(host: string, cause: unknown): FederationError {
  return new FederationError("PEER_TIMEOUT", `${host} did not answer in time`, { cause });
}

/** Our certificate for a peer has ended; no renewal brings it back. */
export function certificateExpired(host: string, cause: unknown): FederationError {
  return new FederationError(
    "CERTIFICATE_EXPIRED",
    `our certificate for ${host} has ended; ask its administrator for a new enrollment URL, then: mosaic federation peer add <url>`,
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  if ("code" in error && typeof error.code === "string") {
    return error.code;
  }
  return codeOf(error.cause);
}
