import { describe, expect, test } from "vitest";
import { createBucket } from "../../../src/admission/bucket.ts";
import type { Bucket, Limits, Taken } from "../../../src/admission/bucket.ts";

function withClock(): { bucket: Bucket; at: (seconds: number) => void } {
  let now = 0;
  return {
    bucket: createBucket(() => now),
    at: (seconds) => {
      now = seconds * 1000;
    },
  };
}
const LIMITS: Limits = { requestsPerMinute: 60, burst: null };
async function takeMany(bucket: Bucket, times: number, limits = LIMITS, key = "grant"): Promise<Taken[]> {
  const taken: Taken[] = [];
  for (let n = 0; n < times; n += 1) {
    taken.push(await bucket.take(key, limits));
  }
  return taken;
}
const allowed = (taken: Taken[]): number => taken.filter((one) => one.allowed).length;

describe("a bucket", () => {
  test("gives the requests of a minute at once, refuses the next, and says when to come back", async () => {
    const { bucket, at } = withClock();
    at(100);
    expect(allowed(await takeMany(bucket, 60))).toBe(60);
    expect(await takeMany(bucket, 1)).toEqual([
      { allowed: false, limit: 60, remaining: 0, resetSeconds: 61, retryAfterSeconds: 61 },
    ]);
    at(130.5);
    expect((await takeMany(bucket, 1))[0]).toMatchObject({ allowed: false, retryAfterSeconds: 31 });
    at(161);
    expect(allowed(await takeMany(bucket, 70))).toBe(60);
  });

  test("has no sixty seconds with more takes than tokens, however they are spread", async () => {
    const { bucket, at } = withClock();
    const times: number[] = [];
    let state = 7;
    for (let second = 0; second < 400; second += 0.31) {
      at(second);
      state = (state * 48_271) % 2_147_483_647;
      if (state % 3 > 0 && (await bucket.take("grant", LIMITS)).allowed) {
        times.push(second);
      }
    }
    expect(times.length).toBeGreaterThan(300);
    for (const start of times) {
      expect(times.filter((time) => time >= start && time < start + 60).length).toBeLessThanOrEqual(60);
    }
  });

  test("gives tokens back one by one, a minute after each was taken", async () => {
    const { bucket, at } = withClock();
    for (let second = 0; second < 60; second += 1) {
      at(second);
      expect(allowed(await takeMany(bucket, 1))).toBe(1);
    }
    for (let second = 61; second < 80; second += 1) {
      at(second);
      expect(allowed(await takeMany(bucket, 3))).toBe(1);
    }
  });

  test("of a burst gives no more in one second, and the rest later", async () => {
    const { bucket, at } = withClock();
    const limits = { requestsPerMinute: 60, burst: 5 };
    const bursts: number[] = [];
    for (let second = 0; second < 14; second += 1) {
      at(second);
      bursts.push(allowed(await takeMany(bucket, 10, limits)));
    }
    expect(bursts).toEqual([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0]);
  });

  test("is each key's own, follows a limit that changes, and forgets keys that are idle", async () => {
    const { bucket, at } = withClock();
    at(0);
    await takeMany(bucket, 60);
    expect(allowed(await takeMany(bucket, 60, LIMITS, "other"))).toBe(60);
    expect(allowed(await takeMany(bucket, 600, { requestsPerMinute: 600, burst: null }))).toBe(540);
    expect(allowed(await takeMany(bucket, 1))).toBe(0);
    at(200);
    expect(allowed(await takeMany(bucket, 61))).toBe(60);
  });
});
