import { asFederationError } from "../../errors.ts";

/** One thing that was looked at. */
export interface Finding {
  name: string;
  /** Whether it is of this gateway or of a peer. */
  scope: "local" | "remote";
  /** The peer's host. */
  peer?: string;
  status: "green" | "yellow" | "red";
  /** What was found. */
  detail: string;
  /** What to do about it. */
  remedy?: string;
}

/** What a look at something found; its name and place are known. */
export type Found = Pick<Finding, "status" | "detail" | "remedy">;

/** The findings so far. */
export interface Findings {
  all: Finding[];
  add: (finding: Finding) => void;
  /**
   * Looks at something of this gateway; what it throws is a finding, too.
   *
   * @returns whether it could be looked at
   */
  look: (name: string, remedy: string, check: () => Promise<Found>) => Promise<boolean>;
}

export function createFindings(): Findings {
  const all: Finding[] = [];
  return {
    all,
    add: (finding) => {
      all.push(finding);
    },
    look: async (name, remedy, check) => {
      try {
        all.push({ name, scope: "local", ...(await check()) });
        return true;
      } catch (error) {
        const fault = asFederationError(error);
        const detail = fault.code === "INTERNAL" && fault.cause instanceof Error ? fault.cause.message : fault.message;
        all.push({ name, scope: "local", status: "red", detail, remedy });
        return false;
      }
    },
  };
}

const DAY_MS = 86_400_000;

/**
 * How long a certificate is good for: yellow from some days before its end, or a third of its life where that is short.
 *
 * @param days what is to be done about it takes so long
 */
export function expiry(certificate: { validFrom: Date; validTo: Date }, remedy: string, days = 7): Found {
  const left = certificate.validTo.getTime() - Date.now();
  const day = certificate.validTo.toISOString().slice(0, 10);
  if (left <= 0) {
    return { status: "red", detail: `ended on ${day}`, remedy };
  }
  const life = certificate.validTo.getTime() - certificate.validFrom.getTime();
  const detail = `good until ${day}, ${Math.floor(left / DAY_MS)} days`;
  return left < Math.min(days * DAY_MS, life / 3) ? { status: "yellow", detail, remedy } : { status: "green", detail };
}
