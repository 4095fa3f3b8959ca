import type { ClientBase } from "pg";
import { readX509 } from "../pki/der.ts";

/** One authority of a gateway. */
export interface AuthorityStatus {
  kind: "embedded" | "step-ca";
  /** SHA-256 of the root's DER, hex. */
  fingerprint: string;
  /** `signs` new certificates, is only `trusted`, or is `retired`. */
  state: "signs" | "trusted" | "retired";
  since: Date;
  /** When the root ends. */
  until: Date;
  retiredAt: Date | null;
  /** Client certificates of it that are neither revoked nor ended. */
  liveCertificates: number;
  /** When the last of its certificates, a revoked one included, ends or has ended within a day; null where there is none. */
  lastEnds: Date | null;
}

interface Row {
  kind: AuthorityStatus["kind"];
  fingerprint: string;
  certificate_der: Buffer;
  created_at: Date;
  retired_at: Date | null;
  signs: boolean;
  live_certificates: string;
  last_ends: Date | null;
}

/**
 * Every authority of a gateway, newest first; those that are retired come last.
 *
 * @param client of an administrator
 */
export async function readAuthorityStatus(client: ClientBase): Promise<AuthorityStatus[]> {
  const { rows } = await client.query<Row>("select * from federation.authority_status()");
  return rows.map((row) => ({
    kind: row.kind,
    fingerprint: row.fingerprint,
    state: row.retired_at !== null ? "retired" : row.signs ? "signs" : "trusted",
    since: row.created_at,
    until: new Date(readX509(row.certificate_der, "CERTIFICATE_INVALID").validTo),
    retiredAt: row.retired_at,
    liveCertificates: Number(row.live_certificates),
    lastEnds: row.last_ends,
  }));
}

/** A rotation that is on: the root that goes, and when, in words. */
export interface Overlap {
  older: AuthorityStatus;
  /** For a sentence that begins with the root and "retires". */
  retires: string;
}

/** The rotation that is on, if one is. */
export function overlapOf(authorities: readonly AuthorityStatus[]): Overlap | undefined {
  const trusted = authorities.filter(({ state }) => state !== "retired");
  const older = trusted.at(-1);
  if (trusted.length < 2 || older === undefined) {
    return undefined;
  }
  const day = older.lastEnds?.toISOString().slice(0, 10);
  return {
    older,
    retires:
      day === undefined
        ? "by itself within two hours"
        : `by itself a day after its last certificate, of ${day}, has ended`,
  };
}
