import type { Sessions } from "../database/session.ts";
import type { CertificateAuthority } from "../pki/authority.ts";

const CACHE_MS = 10_000;
const LIFETIME_SECONDS = 86_400;

/** The current CRL: signed at most every ten seconds, however often it is asked for. */
export function createCrlSource(
  sessions: Sessions,
  authority: CertificateAuthority,
): () => Promise<{ der: Buffer; pem: string }> {
  let current: Promise<{ der: Buffer; pem: string }> | undefined;
  let signedAt = -Infinity;
  const sign = async (): Promise<{ der: Buffer; pem: string }> => {
    const { rows } = await sessions.asGateway((client) =>
      client.query<{ serial: string; revoked_at: Date; revocation_reason: string }>(
        "select serial, revoked_at, revocation_reason from federation.revoked_certificates()",
      ),
    );
    return authority.signCrl({
      revoked: rows.map((row) => ({
        serial: row.serial,
        revokedAt: row.revoked_at,
        reason: row.revocation_reason,
      })),
      // Numbers only have to grow (RFC 5280 §5.2.3).
      number: Date.now(),
      lifetimeSeconds: LIFETIME_SECONDS,
    });
  };
  return () => {
    if (current === undefined || Date.now() - signedAt > CACHE_MS) {
      signedAt = Date.now();
      current = sign().catch((error: unknown) => {
        current = undefined;
        throw error;
      });
    }
    return current;
  };
}
