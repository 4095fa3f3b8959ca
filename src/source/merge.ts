import type { Row } from "./query-source.ts";

/** One term of an order clause, as a verb takes it. */
export interface OrderTerm {
  column: string;
  direction?: "asc" | "desc" | undefined;
}

/**
 * Merges lists that are sorted already, each by its own database, into one, without sorting any of them anew. Sources may hold a
 * column in different types and collations, so between two sources values are compared as JSON shows them: numbers as numbers,
 * text by code unit, null last in ascending order as in Postgres.
 */
export function mergeSorted(lists: readonly Row[][], order: readonly OrderTerm[]): Row[] {
  const heads = lists.map(() => 0);
  const merged: Row[] = [];
  for (;;) {
    let best: { list: number; row: Row } | undefined;
    lists.forEach((list, index) => {
      const row = list[heads[index] ?? 0];
      if (row !== undefined && (best === undefined || compareRows(row, best.row, order) < 0)) {
        best = { list: index, row };
      }
    });
    if (best === undefined) {
      return merged;
    }
    merged.push(best.row);
    heads[best.list] = (heads[best.list] ?? 0) + 1;
  }
}

function compareRows(a: Row, b: Row, order: readonly OrderTerm[]): number {
  for (const { column, direction } of order) {
    const compared = compareValues(a[column], b[column]);
    if (compared !== 0) {
      return direction === "desc" ? -compared : compared;
    }
  }
  return 0;
}

function compareValues(a: unknown, b: unknown): number {
  const missing = Number(a === null || a === undefined) - Number(b === null || b === undefined);
  if (missing !== 0 || a === null || a === undefined) {
    return missing;
  }
  if (typeof a === "number" && typeof b === "number") {
    return a - b;
  }
  // bigint and numeric cross as text, so that no reader rounds them.
  const [left, right] = [asText(a), asText(b)];
  if (WHOLE.test(left) && WHOLE.test(right)) {
    const difference = BigInt(left) - BigInt(right);
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

const WHOLE = /^-?\d{1,30}$/;

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
