import { expect, test } from "vitest";
import { whenAsked } from "../../src/when-asked.ts";

test("what is built when it is asked for is built once for all who ask, and again where that failed", async () => {
  let builds = 0;
  const ask = whenAsked(() => {
    builds += 1;
    return builds === 1 ? Promise.reject(new Error("away")) : Promise.resolve(builds);
  });
  expect(builds).toBe(0);
  const first = await Promise.allSettled([ask(), ask()]);
  expect(first.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2]);
  expect(await ask()).toBe(2);
});
