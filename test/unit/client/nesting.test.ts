import fc from "fast-check";
import { expect, test } from "vitest";
import { nestingOf } from "../../../src/client/nesting.ts";

function depthOf(value: unknown): number {
  return typeof value === "object" && value !== null
    ? 1 + Math.max(0, ...Object.values(value as Record<string, unknown>).map(depthOf))
    : 0;
}

test("the nesting of a JSON text is the depth of its value, whatever its strings hold", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      expect(nestingOf(JSON.stringify(value))).toBe(depthOf(value));
    }),
  );
  expect(nestingOf(JSON.stringify({ "[{": ['\\"[[[', "}}"] }))).toBe(2);
});
