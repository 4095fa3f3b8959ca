import { expect, test } from "vitest";
import { mergeSorted } from "../../../src/source/merge.ts";

const order = [{ column: "v" }];
const rows = (...values: unknown[]) => values.map((v) => ({ v }));
const valuesOf = (lists: Record<string, unknown>[][], direction: "asc" | "desc" = "asc"): unknown[] =>
  mergeSorted(lists, [{ column: "v", direction }]).map(({ v }) => v);

test("sorted lists become one, numbers as numbers, text by code unit, null last", () => {
  expect(valuesOf([rows(1, 3, null), rows(2, 10)])).toEqual([1, 2, 3, 10, null]);
  expect(valuesOf([rows(null, 3, 1), rows(10, 2)], "desc")).toEqual([null, 10, 3, 2, 1]);
  expect(valuesOf([rows("9", "10"), rows("9223372036854775808")])).toEqual(["9", "10", "9223372036854775808"]);
  expect(valuesOf([rows("a", "c"), rows("B", "b")])).toEqual(["B", "a", "b", "c"]);
});

test("a list is not sorted anew, whatever it claims to be", () => {
  expect(valuesOf([rows(5, 1), rows(3)])).toEqual([3, 5, 1]);
});

// A peer chooses its values: what is long or deep must not be read again for each row of others.
test("a value of a peer is never turned into text to be compared", () => {
  let read = 0;
  const large = {
    toJSON: () => {
      read += 1;
      return {};
    },
  };
  expect(mergeSorted([rows(large), rows(...Array.from({ length: 100 }, (_, n) => n))], order)).toHaveLength(101);
  expect(read).toBe(0);
});
