import { createHash } from "node:crypto";
import type { Sessions } from "../database/session.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { CertificateIssuer } from "../pki/authority.ts";
import { readCsr } from "../pki/csr.ts";

/** What a peer gets for its token and CSR. The peer checks each of these against the root it pinned. */
export interface EnrollmentAnswer {
  /** Its certificate, PEM. */
  certificate: string;
  /** Intermediates up to the root, PEM. */
  chain: string[];
  host: string;
  federationUrl: string;
  publicUrl: string;
  /** The arc of the certificate's identity entries. */
  oidArc: string;
}

/** Exchanges one-time tokens for certificates. */
export interface Enrollment {
  enroll(
    token: string,
    csrPem: string,
  ): Promise<{ grantId: string; subjectUserId: string; serial: string; answer: EnrollmentAnswer }>;
}

/** A token as it is given out. One that is good for one key alone is longer, and is taken from nobody but this module. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/**
 * The serving side of enrollment. The token is spent, the grant activated and the certificate recorded in one transaction, which
 * commits before the certificate leaves; a CSR that is refused spends nothing. A peer that was left without the answer says it again with the
 * same key, and to nobody else the token is good.
 */
export function createEnrollment(options: {
  sessions: Sessions;
  authority: CertificateIssuer;
  host: string;
  federationUrl: string;
  publicUrl: string;
  oidArc: string;
  certificateLifetimeDays: number;
}): Enrollment {
  const { sessions, authority, host, federationUrl, publicUrl, oidArc } = options;
  const redeem = (token: string, again: string, csrPem: string): ReturnType<Enrollment["enroll"]> =>
    sessions.asGateway(async (client) => {
      const { rows } = await client.query<{ grant_id: string; subject_user_id: string }>(
        "select grant_id, subject_user_id from federation.redeem_enrollment_token($1)",
        [token],
      );
      const grant = rows[0];
      if (grant === undefined) {
        throw new FederationError("TOKEN_SPENT", "The enrollment token has been used, has expired or is not one.");
      }
      const issued = await authority.issueClientCertificate({
        csrPem,
        identity: { grantId: grant.grant_id, subjectUserId: grant.subject_user_id, host },
        lifetimeSeconds: options.certificateLifetimeDays * 86_400,
      });
      await client.query("select federation.record_certificate($1, $2, $3, $4, $5, null, $6)", [
        issued.serial,
        grant.grant_id,
        issued.fingerprint,
        issued.notBefore,
        issued.notAfter,
        token,
      ]);
      await client.query("select federation.allow_enrollment_again($1, $2)", [token, again]);
      return {
        grantId: grant.grant_id,
        subjectUserId: grant.subject_user_id,
        serial: issued.serial,
        answer: {
          certificate: issued.certificatePem,
          chain: issued.chainPem,
          host,
          federationUrl,
          publicUrl,
          oidArc,
        },
      };
    });
  return {
    enroll: async (token, csrPem) => {
      const { publicKeyDer } = readCsr(csrPem);
      if (!TOKEN.test(token)) {
        throw tokenSpent();
      }
      const again = `${token}.${createHash("sha256").update(publicKeyDer).digest("base64url")}`;
      try {
        return await redeem(token, again, csrPem);
      } catch (error) {
        if (asFederationError(error).code !== "TOKEN_SPENT") {
          throw error;
        }
        return redeem(again, again, csrPem);
      }
    },
  };
}

function tokenSpent(): FederationError {
  return new FederationError("TOKEN_SPENT", "The enrollment token has been used, has expired or is not one.");
}
