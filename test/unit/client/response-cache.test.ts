import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createResponseCache, Flushed } from "../../../src/client/response-cache.ts";
import type { ResponseCache } from "../../../src/client/response-cache.ts";
import { startDeadline } from "../../../src/deadline.ts";
import type { FederationError } from "../../../src/errors.ts";

const question = (key = "key", over: Partial<Parameters<ResponseCache["answer"]>[0]> = {}) => ({
  peerId: "peer",
  certificateSerial: "01",
  key,
  ttlMs: 1_000,
  ...over,
});

/** Asks within ten seconds. */
async function asked<T>(
  cache: ResponseCache,
  ask: () => Promise<T>,
  over: Parameters<typeof question>[1] & { key?: string } = {},
): Promise<{ value: T; ageMs: number | null }> {
  const deadline = startDeadline(10_000);
  try {
    return await cache.answer(question(over.key, over), deadline, ask);
  } finally {
    deadline.end();
  }
}

describe("the response cache", () => {
  test("answers again from memory, with the answer's age, until its time is up", async () => {
    let now = 0;
    let asks = 0;
    const cache = createResponseCache({ bytes: 100_000, now: () => now });
    const ask = (): Promise<number> => Promise.resolve((asks += 1));
    expect(await asked(cache, ask)).toEqual({ value: 1, ageMs: null });
    now = 400;
    expect(await asked(cache, ask)).toEqual({ value: 1, ageMs: 400 });
    now = 999;
    expect(await asked(cache, ask)).toEqual({ value: 1, ageMs: 999 });
    now = 1_000;
    expect(await asked(cache, ask)).toEqual({ value: 2, ageMs: null });
    expect(cache.stats()).toMatchObject({ entries: 1, hits: 2, misses: 2 });
  });

  test("counts an answer's age from its question: a peer that took its time made it no younger", async () => {
    let now = 0;
    const cache = createResponseCache({ bytes: 100_000, now: () => now });
    await asked(cache, () => {
      now = 900;
      return Promise.resolve("late");
    });
    expect(await asked(cache, () => Promise.resolve("new"))).toEqual({ value: "late", ageMs: 900 });
    now = 1_000;
    expect(await asked(cache, () => Promise.resolve("new"))).toEqual({ value: "new", ageMs: null });
  });

  test("gives each reader an object of its own", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    const ask = (): Promise<{ rows: string[] }> => Promise.resolve({ rows: ["a"] });
    await asked(cache, ask);
    const first = await asked(cache, ask);
    first.value.rows.push("mine");
    expect((await asked(cache, ask)).value.rows).toEqual(["a"]);
  });

  test("takes no more bytes than it may, and gives up what was used longest ago", async () => {
    const cache = createResponseCache({ bytes: 10_000 });
    for (let index = 0; index < 100; index += 1) {
      await asked(cache, () => Promise.resolve("x".repeat(1_000)), { key: `key ${index}` });
      await asked(cache, () => Promise.reject(new Error("asked again")), { key: `key ${index}` });
    }
    const { bytes, entries } = cache.stats();
    expect(bytes).toBeLessThanOrEqual(10_000);
    expect(entries).toBeGreaterThan(3);
    await expect(asked(cache, () => Promise.reject(new Error("asked again")), { key: "key 0" })).rejects.toThrow();
    // What is larger than all of it is not kept, and is an answer all the same.
    const large = "x".repeat(20_000);
    expect((await asked(cache, () => Promise.resolve(large), { key: "large" })).value).toBe(large);
    expect(cache.stats().bytes).toBeLessThanOrEqual(10_000);
  });

  test("asks once for many who ask the same at the same time, and keeps nothing where it may not", async () => {
    const cache = createResponseCache({ bytes: 0 });
    let asks = 0;
    const ask = async (): Promise<number> => {
      asks += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return asks;
    };
    const answers = await Promise.all(Array.from({ length: 50 }, () => asked(cache, ask)));
    expect(new Set(answers.map(({ value }) => value))).toEqual(new Set([1]));
    expect((await asked(cache, ask)).value).toBe(2);
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test("keeps no failure", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    await expect(asked(cache, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await asked(cache, () => Promise.resolve("yes"))).toEqual({ value: "yes", ageMs: null });
  });

  test("is flushed by a straggler of its own certificate, and not by one of the certificate before", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    let asks = 0;
    const ask = (): Promise<number> => Promise.resolve((asks += 1));
    await asked(cache, ask);
    await asked(cache, ask, { certificateSerial: "02" });
    const landing = Promise.withResolvers<number>();
    const onItsWay = asked(cache, () => landing.promise, { certificateSerial: "02", key: "another" });
    cache.flushOf("peer", "01");
    landing.resolve(7);
    expect(await onItsWay).toEqual({ value: 7, ageMs: null });
    expect((await asked(cache, ask, { certificateSerial: "02" })).value).toBe(2);
    cache.flushOf("peer", "02");
    expect((await asked(cache, ask, { certificateSerial: "02" })).value).toBe(3);
  });

  test("is flushed by a question under another certificate", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    await asked(cache, () => Promise.resolve("old"));
    const renewed = { certificateSerial: "02" };
    expect((await asked(cache, () => Promise.resolve("other"), { key: "other", ...renewed })).value).toBe("other");
    expect((await asked(cache, () => Promise.resolve("new"), renewed)).value).toBe("new");
  });

  test("ends a request that nobody waits for any more, and not one that somebody still does", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    const seen: AbortSignal[] = [];
    const forever = (signal: AbortSignal): Promise<never> => {
      seen.push(signal);
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as FederationError);
        });
      });
    };
    const [first, second] = [startDeadline(10_000), startDeadline(10_000)];
    const waiting = [first, second].map((deadline) =>
      cache.answer(question(), deadline, ({ signal }) => forever(signal)).catch((error: unknown) => error),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
    first.cancel();
    expect(await waiting[0]).toMatchObject({ code: "CANCELLED" });
    expect(seen.map(({ aborted }) => aborted)).toEqual([false]);
    second.cancel();
    expect(await waiting[1]).toMatchObject({ code: "CANCELLED" });
    expect(seen.map(({ aborted }) => aborted)).toEqual([true]);
    first.end();
    second.end();
  });

  test("ends a request whose callers' time is up as one that took too long, not as one that was given up", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    for (let n = 0; n < 20; n += 1) {
      const deadline = startDeadline(5);
      const reason = Promise.withResolvers<unknown>();
      const silent = ({ signal }: { signal: AbortSignal }): Promise<never> => {
        signal.addEventListener("abort", () => {
          reason.resolve(signal.reason);
        });
        return new Promise(() => undefined);
      };
      await expect(cache.answer(question(), deadline, silent)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
      expect(await reason.promise).toMatchObject({ code: "DEADLINE_EXCEEDED" });
      deadline.end();
    }
  });

  test("asks anew for who has more time than the one whose request it joined", async () => {
    const cache = createResponseCache({ bytes: 100_000 });
    const [hurried, patient] = [startDeadline(30), startDeadline(10_000)];
    let asks = 0;
    const ask = async ({ signal }: { signal: AbortSignal }): Promise<string> => {
      asks += 1;
      await new Promise((resolve) => setTimeout(resolve, 60));
      signal.throwIfAborted();
      return "late";
    };
    const [first, second] = await Promise.all([
      cache.answer(question(), hurried, ask).catch((error: unknown) => error),
      cache.answer(question(), patient, ask),
    ]);
    expect(first).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(second).toEqual({ value: "late", ageMs: null });
    expect(asks).toBe(2);
    patient.end();
  });
});

/** Each step ends before the next begins, as events of Node do: its microtasks are done before another socket is heard. */
const eventByEvent = fc.scheduler({
  act: async (step) => {
    await step();
    await new Promise((resolve) => setImmediate(resolve));
  },
});

// Each answer says how many flushes there had been when the peer was asked: it may be given to nobody once there were more.
test("no answer that was on its way when a flush came is stored or served after it, over 10 000 interleavings", async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("fetch" as const), key: fc.constantFrom("a", "b") }) },
    { weight: 2, arbitrary: fc.constant({ do: "flush" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "rotate" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "other peer" as const }) },
  );
  const seen = { served: 0, fromMemory: 0, flushed: 0 };
  await fc.assert(
    fc.asyncProperty(eventByEvent, fc.array(step, { minLength: 2, maxLength: 12 }), async (scheduler, steps) => {
      const cache = createResponseCache({ bytes: 100_000 });
      const deadline = startDeadline(60_000);
      let [epoch, serial] = [0, 1];
      const fetch = async (key: string): Promise<void> => {
        // Whoever asks has just read which certificate the peer has.
        const certificateSerial = String(serial);
        const asOf = epoch;
        try {
          const { value, ageMs } = await cache.answer(question(key, { certificateSerial }), deadline, async () => {
            const told = epoch;
            await scheduler.schedule(Promise.resolve(), `answer to ${key}`);
            return told;
          });
          // The answer is as of now, or of a question that is older than no flush.
          expect(value).toBe(epoch);
          seen.served += 1;
          seen.fromMemory += Number(ageMs !== null);
        } catch (error) {
          expect(error).toBeInstanceOf(Flushed);
          expect(epoch).toBeGreaterThan(asOf);
          seen.flushed += 1;
        }
      };
      const running: Promise<unknown>[] = [];
      for (const [index, { do: what, ...more }] of steps.entries()) {
        running.push(
          scheduler.schedule(Promise.resolve(), `${index} ${what}`).then(() => {
            if (what === "fetch") {
              return fetch("key" in more ? more.key : "a");
            }
            if (what === "flush") {
              epoch += 1;
              cache.flush("peer");
            } else if (what === "rotate") {
              epoch += 1;
              serial += 1;
              cache.flush("peer");
            } else {
              cache.flush("another");
            }
            return undefined;
          }),
        );
      }
      await scheduler.waitIdle();
      await Promise.all(running);
      deadline.end();
    }),
    { numRuns: 10_000 },
  );
  // None of these is told apart from the others by chance alone.
  expect(seen.served).toBeGreaterThan(10_000);
  expect(seen.fromMemory).toBeGreaterThan(1_000);
  expect(seen.flushed).toBeGreaterThan(1_000);
}, 120_000);
