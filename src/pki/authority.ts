import type { CertificateIdentity } from "./identity.ts";

/** A certificate that was signed. */
export interface IssuedCertificate {
  certificatePem: string;
  certificateDer: Buffer;
  /** Intermediates up to the root, without it, PEM; or what leads from an older root to it. */
  chainPem: string[];
  /** Hex, lower case. */
  serial: string;
  notBefore: Date;
  notAfter: Date;
  /** SHA-256 of the DER, hex. */
  fingerprint: string;
}

/** A certificate that must not be taken any more. */
export interface RevokedCertificate {
  /** Hex. */
  serial: string;
  revokedAt: Date;
  /** A name of RFC 5280 §5.3.1, for example `superseded`. */
  reason: string;
}

/** A revocation list that was signed. */
export interface SignedCrl {
  der: Buffer;
  /** SHA-256 of the certificate whose key signed it, hex: the root's, or an intermediate's. */
  issuer: string;
  /** Only ever grows among the lists of one issuer (RFC 5280 §5.2.3). */
  number: number;
  thisUpdate: Date;
  /** From then on nobody should take it for the newest. */
  nextUpdate: Date;
}

/** Signs certificates. Each call throws FederationError UNAVAILABLE where the authority is away. */
export interface CertificateIssuer {
  /**
   * A certificate by which a peer speaks for one grant. Names in the CSR are ignored.
   *
   * @throws FederationError CSR_INVALID
   */
  issueClientCertificate(request: {
    csrPem: string;
    identity: CertificateIdentity;
    lifetimeSeconds: number;
  }): Promise<IssuedCertificate>;
  /**
   * A certificate of this gateway's own listeners.
   *
   * @param request.names DNS names and IPv4 addresses
   * @throws FederationError CSR_INVALID
   */
  issueServerCertificate(request: {
    csrPem: string;
    names: readonly string[];
    lifetimeSeconds: number;
  }): Promise<IssuedCertificate>;
}

/** Signs revocation lists. */
export interface CrlIssuer {
  /** How the list is signed: with the root's key, or by step-ca's intermediate. */
  kind: "embedded" | "step-ca";
  /**
   * A certificate revocation list (RFC 5280 §5) that names each of these.
   *
   * @param request.revoked every certificate that is revoked and has not ended
   * @param request.number what the list is to be numbered; step-ca numbers its lists itself, from 1 on
   */
  publishCrl(request: { revoked: readonly RevokedCertificate[]; number: number }): Promise<SignedCrl>;
}

/**
 * Signs what proves identity at the trust boundary: the embedded authority, or step-ca. Which certificates were revoked, the database
 * says; an authority tells others.
 *
 * Each call throws FederationError UNAVAILABLE where the authority is away.
 */
export interface CertificateAuthority extends CertificateIssuer, CrlIssuer {
  /** What peers pin. */
  rootPem: string;
  /** SHA-256 of the root's DER, hex. */
  rootFingerprint: string;
  /**
   * Who signed with the same root's key before: who holds a certificate of it finds out by its list, and by no other's, that this one was
   * revoked (RFC 5280 §6.3.3 (f)).
   */
  before?: CrlIssuer;
  /** Whether its key could not be unsealed here: what it has signed is trusted, and every call that signs throws UNAVAILABLE. */
  isSealed?: true;
}
