import { FederationError } from "../errors.ts";
import type { CertificateAuthority } from "./authority.ts";
import { derToPem, fingerprintOf } from "./der.ts";

/**
 * An embedded authority whose key cannot be unsealed here. Its certificate is public, and says whom to trust; it signs nothing.
 *
 * @param cause why the key could not be unsealed
 */
export function createSealedAuthority(certificateDer: Buffer, cause: unknown): CertificateAuthority {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new FederationError("UNAVAILABLE", "The key of the certificate authority cannot be unsealed.", {
        cause,
        retryAfter: 30,
      }),
    );
  return {
    kind: "embedded",
    rootPem: derToPem(certificateDer, "CERTIFICATE"),
    rootFingerprint: fingerprintOf(certificateDer),
    isSealed: true,
    issueClientCertificate: refuse,
    issueServerCertificate: refuse,
    publishCrl: refuse,
  };
}
