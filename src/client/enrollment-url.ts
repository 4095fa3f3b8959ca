import { FederationError } from "../errors.ts";

/** What an enrollment URL says: where to go, the one-time token, and which root to expect there. */
export interface EnrollmentUrl {
  /** Origin of the issuer's public listener. */
  publicUrl: string;
  token: string;
  /** SHA-256 of the issuer's root certificate, hex. */
  rootFingerprint: string;
}

/**
 * Reads an enrollment URL, as `federation.create_grant` writes it.
 *
 * @throws FederationError USAGE where it is not one
 */
export function parseEnrollmentUrl(text: string): EnrollmentUrl {
  const url = URL.parse(text);
  const token = /^\/enroll\/([A-Za-z0-9_-]{43})$/.exec(url?.pathname ?? "")?.[1];
  const rootFingerprint = /^#sha256=([0-9a-f]{64})$/.exec(url?.hash ?? "")?.[1];
  if (url?.protocol !== "https:" || token === undefined || rootFingerprint === undefined) {
    throw new FederationError(
      "USAGE",
      'this is not an enrollment URL: expected https://<host>/enroll/<token>#sha256=<fingerprint>, whole and in quotes ("…")',
    );
  }
  return { publicUrl: url.origin, token, rootFingerprint };
}
