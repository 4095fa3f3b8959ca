import { createHash } from "node:crypto";
import type { Sessions } from "../database/session.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { CertificateIssuer, IssuedCertificate } from "../pki/authority.ts";
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

/** Who a token lets a peer speak for. */
interface Enrolling {
  grantId: string;
  subjectUserId: string;
}

/**
 * The serving side of enrollment. The authority signs between two transactions, as for a renewal: whoever revokes the grant in the meantime
 * waits for nobody. The second asks everything again, and what it does not record is good for nothing: there the token is spent, the grant
 * activated and the certificate recorded, and it commits before the certificate leaves. A CSR that is refused spends nothing. A peer that was
 * left without the answer says it again with the same key, and to nobody else the token is good.
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
  const inTurn = createTurns();

  const begin = (token: string): Promise<Enrolling> =>
    sessions.asGateway(async (client) => {
      const { rows } = await client.query<{ grant_id: string; subject_user_id: string }>(
        "select grant_id, subject_user_id from federation.begin_enrollment($1)",
        [token],
      );
      return enrollingOf(rows);
    });

  const record = (token: string, again: string, signedFor: Enrolling, issued: IssuedCertificate): Promise<void> =>
    sessions.asGateway(async (client) => {
      const { rows } = await client.query<{ grant_id: string; subject_user_id: string }>(
        "select grant_id, subject_user_id from federation.redeem_enrollment_token($1)",
        [token],
      );
      const { grantId, subjectUserId } = enrollingOf(rows);
      if (grantId !== signedFor.grantId || subjectUserId !== signedFor.subjectUserId) {
        throw tokenSpent();
      }
      await client.query("select federation.record_certificate($1, $2, $3, $4, $5, null, $6)", [
        issued.serial,
        grantId,
        issued.fingerprint,
        issued.notBefore,
        issued.notAfter,
        token,
      ]);
      await client.query("select federation.allow_enrollment_again($1, $2)", [token, again]);
    });

  return {
    enroll: async (token, csrPem) => {
      const { publicKeyDer } = readCsr(csrPem);
      if (!TOKEN.test(token)) {
        throw tokenSpent();
      }
      const again = `${token}.${createHash("sha256").update(publicKeyDer).digest("base64url")}`;
      return inTurn(token, async () => {
        const { grantId, subjectUserId } = await eitherOf(begin, token, again);
        const issued = await authority.issueClientCertificate({
          csrPem,
          identity: { grantId, subjectUserId, host },
          lifetimeSeconds: options.certificateLifetimeDays * 86_400,
        });
        await eitherOf((one) => record(one, again, { grantId, subjectUserId }, issued), token, again);
        return {
          grantId,
          subjectUserId,
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
    },
  };
}

/** By a token, or where that is spent by the one for whoever says it again. */
async function eitherOf<T>(step: (token: string) => Promise<T>, token: string, again: string): Promise<T> {
  try {
    return await step(token);
  } catch (error) {
    if (asFederationError(error).code !== "TOKEN_SPENT") {
      throw error;
    }
    return step(again);
  }
}

/**
 * One after the other by token: who says one many times at once, by many keys, has one certificate signed at a time, and none once it is spent.
 */
function createTurns(): <T>(token: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (token, work) => {
    const before = last.get(token) ?? Promise.resolve();
    const turn = before.then(work, work);
    last.set(token, turn);
    try {
      return await turn;
    } finally {
      if (last.get(token) === turn) {
        last.delete(token);
      }
    }
  };
}

function enrollingOf(rows: { grant_id: string; subject_user_id: string }[]): Enrolling {
  const [row] = rows;
  if (row === undefined) {
    throw tokenSpent();
  }
  return { grantId: row.grant_id, subjectUserId: row.subject_user_id };
}

function tokenSpent(): FederationError {
  return new FederationError("TOKEN_SPENT", "The enrollment token has been used, has expired or is not one.");
}
