import { expect, test } from "vitest";
import { repeatedly } from "../../src/repeatedly.ts";

const EVERY_MS = 5;
const SOON = { timeout: 10_000 };

/** Work each turn of which lasts until it is let go. */
function heldWork(): { work: () => Promise<void>; begun: () => number; letGo: () => void } {
  const waiting: (() => void)[] = [];
  let begun = 0;
  return {
    work: () =>
      new Promise((resolve) => {
        begun += 1;
        waiting.push(resolve);
      }),
    begun: () => begun,
    letGo: () => waiting.shift()?.(),
  };
}

test("what is done again and again is done at once, and then again", async () => {
  let done = 0;
  const repeated = repeatedly(EVERY_MS, () => Promise.resolve(void (done += 1)));
  expect(done).toBe(1);
  await expect.poll(() => done, SOON).toBeGreaterThan(3);
  await repeated.close();
  const atEnd = done;
  await new Promise((resolve) => setTimeout(resolve, 10 * EVERY_MS));
  expect(done).toBe(atEnd);
});

test("a turn that takes longer than its time is waited for alone: none that was due meanwhile is made up for", async () => {
  const { work, begun, letGo } = heldWork();
  const repeated = repeatedly(EVERY_MS, work);
  await new Promise((resolve) => setTimeout(resolve, 20 * EVERY_MS));
  expect(begun()).toBe(1);
  const closing = repeated.close();
  letGo();
  await closing;
  expect(begun()).toBe(1);
});

test("what is asked for during a turn is done once more after it, however often it is asked for", async () => {
  const { work, begun, letGo } = heldWork();
  const repeated = repeatedly(60_000, work);
  repeated.soon();
  repeated.soon();
  expect(begun()).toBe(1);
  letGo();
  await expect.poll(begun, SOON).toBe(2);
  letGo();
  await repeated.close();
  expect(begun()).toBe(2);
});

test("what is asked for once it has ended, or while it ends, is not done", async () => {
  const { work, begun, letGo } = heldWork();
  const repeated = repeatedly(60_000, work);
  repeated.soon();
  const closing = repeated.close();
  letGo();
  await closing;
  repeated.soon();
  expect(begun()).toBe(1);
});
