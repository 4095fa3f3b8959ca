import type { Sessions } from "../database/session.ts";
import type { CertificateAuthority } from "../pki/authority.ts";

const CACHE_MS = 10_000;
/** Anybody may ask; while it cannot be made, that costs one try a second at most. */
const FAILED_MS = 1_000;

/** The current CRL: made at most every ten seconds, however often it is asked for. */
export function createCrlSource(
  sessions: Sessions,
  authority: CertificateAuthority,
): () => Promise<{ der: Buffer; pem: string }> {
  let current: Promise<{ der: Buffer; pem: string }> | undefined;
  let goodUntil = -Infinity;
  const make = async (): Promise<{ der: Buffer; pem: string }> => {
    const { rows } = await sessions.asGateway((client) =>
      client.query<{ serial: string; revoked_at: Date; revocation_reason: string }>(
        "select serial, revoked_at, revocation_reason from federation.revoked_certificates()",
      ),
    );
    return authority.publishCrl({
      revoked: rows.map((row) => ({
        serial: row.serial,
        revokedAt: row.revoked_at,
        reason: row.revocation_reason,
      })),
    });
  };
  return () => {
    if (current === undefined || Date.now() > goodUntil) {
      goodUntil = Date.now() + CACHE_MS;
      current = make().catch((error: unknown) => {
        goodUntil = Date.now() + FAILED_MS;
        throw error;
      });
    }
    return current;
  };
}
