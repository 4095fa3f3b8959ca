import type { Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { CertificateIssuer } from "../pki/authority.ts";
import { readCsr } from "../pki/csr.ts";
import type { PeerIdentity } from "../pki/identity.ts";

/** What a peer gets for its CSR. It checks each of these against the roots that it trusts. */
export interface RenewalAnswer {
  /** Its new certificate, PEM. */
  certificate: string;
  /** Intermediates up to the root, PEM. */
  chain: string[];
  /** Every root that this gateway's certificates and its peers' may stand below, PEM. */
  roots: string[];
  /** The arc of the certificate's identity entries. */
  oidArc: string;
}

/** Exchanges a certificate that is good for a newer one. Each call throws FederationError by what refuses a verb, too. */
export interface Renewal {
  /**
   * Signs a new key for who the connection's certificate speaks for. Nothing is superseded by that: the new certificate may be lost on
   * its way, and the old one may renew again.
   *
   * @throws FederationError CSR_INVALID, CONFLICT where the certificate has a successor that was confirmed, UNAVAILABLE
   */
  renew(identity: PeerIdentity, csrPem: string, deadline: Deadline): Promise<RenewalAnswer>;
  /** The connection's certificate is the one that its peer goes on with. May be said again. */
  confirm(identity: PeerIdentity, deadline: Deadline): Promise<void>;
}

/**
 * The serving side of renewal. The authority signs between two transactions: a signature may take seconds, and whoever revokes the grant
 * in the meantime waits for nobody. The second looks at everything anew, and what it does not record is good for nothing. It commits
 * before the certificate leaves.
 *
 * @param options.roots PEM
 */
export function createRenewal(options: {
  sessions: Sessions;
  authority: CertificateIssuer;
  host: string;
  oidArc: string;
  certificateLifetimeDays: number;
  roots: () => string[];
}): Renewal {
  const { sessions, authority, host } = options;

  /** Runs a step of a renewal. What the database refuses leaves nothing there, so that the alert of it is a transaction of its own. */
  const step = async ({ grantId, serial }: PeerIdentity, deadline: Deadline, statement: string, values: unknown[]) => {
    try {
      await sessions.asGatewayOnce({ text: statement, values }, deadline);
    } catch (error) {
      if (error instanceof FederationError && error.code === "CONFLICT") {
        await sessions.asGatewayOnce({
          text: "select federation.alert_renewal_conflict($1, $2)",
          values: [grantId, serial],
        });
      }
      throw error;
    }
  };

  return {
    renew: async (identity, csrPem, deadline) => {
      const { grantId, subjectUserId, serial, fingerprint } = identity;
      if (readCsr(csrPem).publicKeyDer.equals(identity.publicKeyDer)) {
        throw new FederationError("CSR_INVALID", "The certificate request must hold a new key.");
      }
      await step(identity, deadline, "select federation.begin_renewal($1, $2, $3, $4)", [
        grantId,
        subjectUserId,
        serial,
        fingerprint,
      ]);
      const issued = await authority.issueClientCertificate({
        csrPem,
        identity: { grantId, subjectUserId, host },
        // The grant may end sooner, and says so by itself: certificates cut to its end would be renewed ever more often before it.
        lifetimeSeconds: options.certificateLifetimeDays * 86_400,
      });
      deadline.signal.throwIfAborted();
      await step(identity, deadline, "select federation.record_renewal($1, $2, $3, $4, $5, $6, $7, $8)", [
        grantId,
        subjectUserId,
        serial,
        fingerprint,
        issued.serial,
        issued.fingerprint,
        issued.notBefore,
        issued.notAfter,
      ]);
      return {
        certificate: issued.certificatePem,
        chain: issued.chainPem,
        roots: options.roots(),
        oidArc: options.oidArc,
      };
    },
    confirm: async ({ grantId, subjectUserId, serial, fingerprint }, deadline) => {
      await sessions.asGateway(
        (client) =>
          client.query("select federation.confirm_certificate($1, $2, $3, $4)", [
            grantId,
            subjectUserId,
            serial,
            fingerprint,
          ]),
        deadline,
      );
    },
  };
}
