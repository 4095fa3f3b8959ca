import fc from "fast-check";
import { expect, test } from "vitest";
import { vectorType } from "../../../src/database/vector.ts";
import { FederationError } from "../../../src/errors.ts";

const refused = (call: () => unknown): boolean => {
  try {
    call();
    return false;
  } catch (error) {
    return error instanceof FederationError && error.code === "BAD_REQUEST";
  }
};

test("what is written is read back, whatever the numbers", () => {
  const numbers = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 4, maxLength: 4 }), (values) => {
      const type = vectorType(4);
      // PostgreSQL has no negative zero in its text of a vector either.
      expect(type.fromSql(type.toSql(values))).toEqual(values.map((value) => value + 0));
    }),
  );
});

test("too few, too many, and what is no number are refused", () => {
  const type = vectorType(2);
  expect(refused(() => type.toSql([1, 2]))).toBe(false);
  for (const values of [[1], [1, 2, 3], [1, NaN], [1, Infinity], [1, 1e39]]) {
    expect(refused(() => type.toSql(values))).toBe(true);
  }
});

test("text that is no vector of these dimensions is refused", () => {
  const type = vectorType(2);
  expect(type.fromSql("[1,-2.5e-3]")).toEqual([1, -0.0025]);
  for (const text of ["", "[]", "[1]", "[1,2,3]", "[1,x]", "{1:2}/2", "[1,2]; drop", "1,2"]) {
    expect(refused(() => type.fromSql(text))).toBe(true);
  }
});

test("dimensions are what an index takes", () => {
  expect(vectorType(2_000).sql).toBe("vector(2000)");
  for (const dimensions of [0, -1, 1.5, 2_001, NaN]) {
    expect(refused(() => vectorType(dimensions))).toBe(true);
  }
});
