import { FederationError } from "../errors.ts";
import type { GrantNotice } from "./notices.ts";

/** Who a certificate speaks for, as far as revocation goes. */
export interface Certified {
  grantId: string;
  serial: string;
}

/** What is known to be revoked: by the last reading of the database, and by notices since. */
export interface KnownRevocations {
  /** Why a certificate is not taken; undefined where nothing is known against it. */
  refusalOf(certified: Certified): FederationError | undefined;
  /** Takes in what a notice says. @returns whether it may be that something was revoked */
  note(notice: GrantNotice): boolean;
  /** To be called before a reading: what was told until then will be in it. */
  mark(): number;
  /** Replaces what is known by what was read, and by what was told after the mark. */
  read(serials: ReadonlySet<string>, mark: number): void;
}

/** Notices that are kept until a reading has them; more than that in one go, and the oldest is left to what each transaction reads. */
const MOST_TOLD = 100_000;

/** @param first the serials that are known to be revoked before anything was read */
export function createKnownRevocations(first: Iterable<string>): KnownRevocations {
  let listed: ReadonlySet<string> = new Set(first);
  // Serials and ids of grants, by when they were told.
  const told = new Map<string, number>();
  let count = 0;
  return {
    refusalOf: ({ grantId, serial }) => {
      if (listed.has(serial) || told.has(serial)) {
        return new FederationError("CERTIFICATE_REVOKED", "The certificate has been revoked.");
      }
      return told.has(grantId) ? new FederationError("GRANT_REVOKED", "The grant has ended.") : undefined;
    },
    note: ({ grant, certificate, status }) => {
      const ended = certificate ?? (status === "revoked" || status === "expired" ? grant : undefined);
      if (ended === undefined) {
        return grant === undefined;
      }
      count += 1;
      told.set(ended, count);
      if (told.size > MOST_TOLD) {
        const [oldest = ended] = told.keys();
        told.delete(oldest);
      }
      return true;
    },
    mark: () => count,
    read: (serials, mark) => {
      listed = serials;
      // A grant ends together with its certificates, which a reading after the notice therefore has.
      for (const [one, at] of told) {
        if (at <= mark) {
          told.delete(one);
        }
      }
    },
  };
}
