import type { Logger } from "pino";
import { asAdministrator } from "../database/administrator.ts";
import { startDeadline } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { derToPem, pemToDer, readX509 } from "../pki/der.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal, unseal } from "../seal/seal.ts";
import { ATTEMPT_MS, isNearItsEnd, isRenewalDue, mayBeRunning } from "./renewal-due.ts";
import type { RenewalTimes } from "./renewal-due.ts";
import { confirmCertificate, requestRenewal, tryCertificate } from "./renew.ts";
import type { Credentials, Renewed } from "./renew.ts";
import { certificateExpired } from "./transport-error.ts";

/** How an attempt to renew a peer's certificate ended. */
export type RenewalOutcome =
  | { status: "renewed"; serial: string; notAfter: Date }
  /** The certificate is not near its end; what an earlier attempt had left was brought to its end. */
  | { status: "confirmed" }
  /** Nothing had to be done, or another worker does it. */
  | { status: "left" }
  | { status: "failed"; code: ErrorCode; message: string };

/** Renews our certificates for peers. */
export interface PeerRenewals {
  /** The ids of the peers whose renewal is due. */
  due(): Promise<string[]>;
  /**
   * Renews the certificate for a peer. What fails is written down, and is an outcome; only a database that is away throws.
   *
   * @param options.now whether it is due or not
   * @throws FederationError UNAVAILABLE; CONFLICT where it shall be now and another worker may be at it
   */
  renew(peerId: string, options?: { now?: boolean }): Promise<RenewalOutcome>;
}

interface Row {
  id: string;
  owner_user_id: string;
  host: string;
  federation_url: string;
  roots_der: Buffer[];
  certificate_chain_der: Buffer[];
  certificate_serial: string;
  certificate_not_after: Date;
  sealed_key: Buffer;
  renewal_failures: number;
  renewal_failed_at: Date | null;
  renewal_failure_code: string | null;
  attempt: string | null;
  checked_at: Date;
}

/**
 * The calling side of renewal. An attempt tries the new certificate, stores it, and only then confirms it, so that the peer supersedes no
 * certificate before we hold its successor: killed at any step, what is stored is a certificate that is good, and the next attempt goes on
 * from there (docs/decisions/0015-renewal.md).
 *
 * @param options.adminUrl connection string of an administrator
 * @param options.keyring read anew for each attempt
 * @param options.timeoutMs what a peer may take to answer
 */
export function createPeerRenewals(options: {
  adminUrl: string;
  keyring: () => Keyring;
  timeoutMs: number;
  log: Pick<Logger, "info" | "warn">;
}): PeerRenewals {
  const { adminUrl, keyring, log } = options;

  const read = (condition: string, values: unknown[] = []): Promise<Row[]> =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<Row>(`select * from federation.renewable_peers() where ${condition}`, values);
      return rows;
    });
  const say = <T>(call: string, values: unknown[]): Promise<T | undefined> =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ said: T }>(`select federation.${call} as said`, values);
      return rows[0]?.said;
    });

  /** @returns undefined where another worker went on meanwhile */
  const attemptOf = async (row: Row, attempt: string, isWanted: boolean): Promise<RenewalOutcome | undefined> => {
    const deadline = startDeadline(ATTEMPT_MS);
    const timeoutMs = (): number => {
      deadline.signal.throwIfAborted();
      return Math.min(options.timeoutMs, deadline.left());
    };
    try {
      const current = credentialsOf(row, keyring());
      if (row.renewal_failures > 0) {
        // An attempt may have ended after it had stored what it did not confirm.
        await confirmCertificate(current, timeoutMs());
      }
      if (!isWanted) {
        return { status: "confirmed" };
      }
      const renewed = await requestRenewal(current, timeoutMs());
      const { chainPem, keyPem, rootsPem } = renewed;
      const next = { ...current, chainPem, keyPem, rootsPem };
      await tryCertificate(next, timeoutMs()).catch((cause: unknown) => {
        throw overtaken(row.host, asFederationError(cause));
      });
      deadline.signal.throwIfAborted();
      if ((await store(row, attempt, renewed)) !== true) {
        return undefined;
      }
      await confirmCertificate(next, timeoutMs());
      return { status: "renewed", serial: renewed.serial, notAfter: renewed.notAfter };
    } finally {
      deadline.end();
    }
  };

  const store = (row: Row, attempt: string, renewed: Renewed): Promise<boolean | undefined> =>
    say<boolean>("replace_peer_certificate($1, $2, $3, $4, $5, $6, $7, $8)", [
      row.id,
      row.certificate_serial,
      attempt,
      renewed.chainPem.map(toDer),
      renewed.serial,
      renewed.notAfter,
      seal(keyring(), renewed.privateKeyDer, row.id),
      renewed.rootsPem.map(toDer),
    ]);

  return {
    due: async () => {
      // No window is longer than 7.7 days.
      const rows = await read("renewal_failures > 0 or certificate_not_after < checked_at + interval '8 days'");
      return rows.filter((row) => isRenewalDue(timesOf(row))).map(({ id }) => id);
    },
    renew: async (peerId, { now = false } = {}) => {
      const [row] = await read("id = $1", [peerId]);
      if (row === undefined || (!now && !isRenewalDue(timesOf(row)))) {
        return { status: "left" };
      }
      if (now && row.renewal_failure_code === null && mayBeRunning(timesOf(row))) {
        throw new FederationError("CONFLICT", "another worker may be renewing this certificate; try again in a minute");
      }
      const attempt = await say<string>("begin_peer_renewal($1, $2, $3)", [
        row.id,
        row.certificate_serial,
        row.attempt,
      ]);
      if (attempt == null) {
        return { status: "left" };
      }
      let outcome: RenewalOutcome;
      try {
        const ended = await attemptOf(row, attempt, now || isNearItsEnd(timesOf(row)));
        if (ended === undefined) {
          return { status: "left" };
        }
        outcome = ended;
      } catch (cause) {
        const error = failureOf(row, cause);
        log.warn({ err: error, peer: row.host }, "a certificate could not be renewed");
        outcome = { status: "failed", code: error.code, message: error.message };
      }
      await say("end_peer_renewal($1, $2, $3)", [row.id, attempt, outcome.status === "failed" ? outcome.code : null]);
      if (outcome.status === "renewed") {
        log.info({ peer: row.host, notAfter: outcome.notAfter.toISOString() }, "a certificate was renewed");
      }
      return outcome;
    },
  };
}

/**
 * What was issued just now is revoked, and what we have is not: another renewed by our certificate since, which supersedes what nobody has
 * confirmed. Where ours is revoked as well, the next attempt learns it by that one.
 */
function overtaken(host: string, error: FederationError): FederationError {
  return error.code === "CERTIFICATE_REVOKED"
    ? new FederationError("CONFLICT", `${host} has revoked the new certificate: somebody else renews with our key`, {
        cause: error,
      })
    : error;
}

/** A certificate that has ended is refused in as many ways as there are TLS libraries: its end is the news. */
function failureOf(row: Row, cause: unknown): FederationError {
  const error = asFederationError(cause);
  if (row.certificate_not_after.getTime() > row.checked_at.getTime()) {
    return error;
  }
  return certificateExpired(row.host, error);
}

function timesOf(row: Row): RenewalTimes {
  const { validFrom } = readX509(row.certificate_chain_der[0] ?? Buffer.alloc(0), "CERTIFICATE_INVALID");
  return {
    id: row.id,
    notBefore: new Date(validFrom),
    notAfter: row.certificate_not_after,
    failures: row.renewal_failures,
    failedAt: row.renewal_failed_at,
    now: row.checked_at,
  };
}

function credentialsOf(row: Row, keyring: Keyring): Credentials {
  const toPem = (der: Buffer): string => derToPem(der, "CERTIFICATE");
  return {
    host: row.host,
    federationUrl: row.federation_url,
    rootsPem: row.roots_der.map(toPem),
    chainPem: row.certificate_chain_der.map(toPem),
    keyPem: derToPem(unseal(keyring, row.sealed_key, row.id), "PRIVATE KEY"),
  };
}

function toDer(pem: string): Buffer {
  return pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID");
}
