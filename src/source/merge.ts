import type { Row } from "./query-source.ts";

/** One term of an order clause, as a verb takes it. */
export interface OrderTerm {
  column: string;
  direction?: "asc" | "desc" | undefined;
}

/** What a row is compared by, one for each term; null is last in ascending order. */
type SortKey = number | string | null;

interface Head {
  list: readonly Row[];
  at: number;
  row: Row;
  keys: SortKey[];
}

/** So much of a text is compared: a peer chooses how long its values are, and each is compared many times. */
const COMPARED_LENGTH = 1_024;
/** bigint and numeric cross as text, so that no reader rounds them. */
const WHOLE = /^-?\d{1,30}$/;

/**
 * Merges lists that are sorted already, each by its own database, into one, without sorting any of them anew. Sources may hold a
 * column in different types and collations, so between two sources values are compared as JSON shows them: numbers as numbers,
 * text by code unit, null last in ascending order as in Postgres; objects and arrays are all alike.
 */
export function mergeSorted(lists: readonly Row[][], order: readonly OrderTerm[]): Row[] {
  const heads = lists.map((list) => headOf(list, 0, order));
  const merged: Row[] = [];
  for (;;) {
    let best: { head: Head; index: number } | undefined;
    heads.forEach((head, index) => {
      if (head !== undefined && (best === undefined || compareKeys(head.keys, best.head.keys, order) < 0)) {
        best = { head, index };
      }
    });
    if (best === undefined) {
      return merged;
    }
    merged.push(best.head.row);
    heads[best.index] = headOf(best.head.list, best.head.at + 1, order);
  }
}

function headOf(list: readonly Row[], at: number, order: readonly OrderTerm[]): Head | undefined {
  const row = list[at];
  return row === undefined ? undefined : { list, at, row, keys: order.map(({ column }) => keyOf(row[column])) };
}

function keyOf(value: unknown): SortKey {
  if (value === null || value === undefined) {
    return null;
  }
  switch (typeof value) {
    case "number":
      return value;
    case "string":
      return value.slice(0, COMPARED_LENGTH);
    case "boolean":
      return String(value);
    default:
      return "";
  }
}

function compareKeys(a: readonly SortKey[], b: readonly SortKey[], order: readonly OrderTerm[]): number {
  for (const [index, { direction }] of order.entries()) {
    const compared = compareValues(a[index] ?? null, b[index] ?? null);
    if (compared !== 0) {
      return direction === "desc" ? -compared : compared;
    }
  }
  return 0;
}

function compareValues(a: SortKey, b: SortKey): number {
  if (a === null || b === null) {
    return Number(a === null) - Number(b === null);
  }
  if (typeof a === "number" && typeof b === "number") {
    return a - b;
  }
  const [left, right] = [String(a), String(b)];
  if (WHOLE.test(left) && WHOLE.test(right)) {
    const difference = BigInt(left) - BigInt(right);
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return left < right ? -1 : left > right ? 1 : 0;
}
