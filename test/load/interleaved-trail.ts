import type { Employee } from "./interleaved.ts";

/** What was asked under a grant, and the code that came of it. */
export interface Asked {
  grantId: string;
  employee: Employee;
  verb: string;
  code: string;
}

/** A row of the audit log, of a request or of a handshake that was refused. */
export interface Logged extends Asked {
  /** Of the request. */
  id: string;
}

/** The codes by which a grant that was revoked is refused. */
export const REVOKED = ["GRANT_REVOKED", "CERTIFICATE_REVOKED"];

/** What a row has as the verb of a request whose body was not read. */
const UNREAD = "unknown";
/** What comes of a request whose connection ends, whole or half. */
const CUT = [...REVOKED, "CANCELLED", "BAD_REQUEST"];

/** How the trails differ from what was asked. */
export interface Difference {
  /** Answers that have no row. */
  missing: string[];
  /** Rows that are of nothing which was asked, or say something else of it. */
  wrong: Logged[];
  /** Rows of what broke before its answer. */
  unheard: number;
}

/**
 * Holds every row against what was asked. One of a request whose answer was heard says the same grant, subject, verb and code; any other is of one that
 * broke before its answer, under the grant of that one: at most a row of the request, and one of the handshake.
 *
 * @param answered by request id
 * @param broken with the codes that they would have come back with
 */
export function compareTrails(
  rows: readonly Logged[],
  answered: ReadonlyMap<string, Asked>,
  broken: readonly Asked[],
): Difference {
  const missing = new Set(answered.keys());
  const wrong: Logged[] = [];
  const requests = new Set(broken);
  const handshakes = new Set(broken);
  let unheard = 0;
  // Those that say what was asked find their own first.
  for (const row of rows.toSorted((a, b) => Number(a.verb === UNREAD) - Number(b.verb === UNREAD))) {
    const told = answered.get(row.id);
    if (told !== undefined) {
      // A second row of it is wrong, whatever it says.
      if (!missing.delete(row.id) || !isSame(row, told)) {
        wrong.push(row);
      }
      continue;
    }
    const left = row.verb === "handshake" ? handshakes : requests;
    const one = [...left].find((asked) => canBeOf(row, asked));
    if (one === undefined) {
      wrong.push(row);
    } else {
      left.delete(one);
      unheard += 1;
    }
  }
  return { missing: [...missing], wrong, unheard };
}

const isSame = (row: Logged, told: Asked): boolean =>
  isOfOne(row, told) && row.verb === told.verb && row.code === told.code;

const isOfOne = (row: Logged, asked: Asked): boolean =>
  row.grantId === asked.grantId && row.employee === asked.employee;

/** Whether a row may be what the log has of a request that broke: its connection may have ended with the handshake, while it came, or later. */
function canBeOf(row: Logged, asked: Asked): boolean {
  if (!isOfOne(row, asked)) {
    return false;
  }
  switch (row.verb) {
    case "handshake":
      return REVOKED.includes(row.code);
    case UNREAD:
      return CUT.includes(row.code);
    default:
      return row.verb === asked.verb && [...CUT, asked.code].includes(row.code);
  }
}
