import { FederationError } from "../../../src/errors.ts";
import { describe, expect, test } from "vitest";
import { createCapacity } from "../../../src/admission/capacity.ts";
import type { Capacity } from "../../../src/admission/capacity.ts";

/** Work that ends when the test says so; the order in which it began is kept. */
function bench(capacity: Capacity): {
  began: string[];
  refused: string[];
  ask: (grant: string, signal?: AbortSignal, peer?: string) => void;
  endOne: () => Promise<void>;
} {
  const began: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  return {
    began,
    refused,
    ask: (key, signal, peer = `peer of ${key}`) => {
      capacity
        .run(
          { grant: key, peer },
          () =>
            new Promise<void>((resolve) => {
              began.push(key);
              ends.push(resolve);
            }),
          signal,
        )
        .catch((error: unknown) => {
          refused.push(`${key} ${(error as { code: string }).code}`);
        });
    },
    endOne: async () => {
      ends.shift()?.();
      await settled();
    },
  };
}
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("capacity", () => {
  test("runs so much at once, and never all of it for one key", async () => {
    const { began, ask } = bench(createCapacity({ concurrency: 4, waiting: 10, waitMs: 1_000 }));
    for (let n = 0; n < 8; n += 1) {
      ask("greedy");
    }
    await settled();
    expect(began).toHaveLength(2);
    ask("modest");
    await settled();
    expect(began).toEqual(["greedy", "greedy", "modest"]);
  });

  test("leaves a place to other peers, whatever number of grants one has", async () => {
    const { began, ask } = bench(createCapacity({ concurrency: 4, waiting: 20, waitMs: 1_000 }));
    for (const grant of ["one", "two", "three", "four", "five"]) {
      ask(grant, undefined, "greedy.example");
    }
    await settled();
    expect(began).toEqual(["one", "two", "three"]);
    ask("modest");
    await settled();
    expect(began).toEqual(["one", "two", "three", "modest"]);
  });

  test("lets keys take turns, however many of one wait", async () => {
    const { began, ask, endOne } = bench(createCapacity({ concurrency: 2, waiting: 100, waitMs: 1_000 }));
    for (let n = 0; n < 20; n += 1) {
      ask("greedy");
    }
    for (const key of ["a", "b", "a", "b"]) {
      ask(key);
    }
    for (let n = 0; n < 8; n += 1) {
      await endOne();
    }
    expect(began.indexOf("b")).toBeLessThan(6);
    expect(began.slice(0, 10).filter((key) => key !== "greedy")).toHaveLength(4);
  });

  test("that is full refuses the newest of the key with most that wait, and never one of another", async () => {
    const { began, refused, ask, endOne } = bench(createCapacity({ concurrency: 2, waiting: 5, waitMs: 1_000 }));
    for (let n = 0; n < 8; n += 1) {
      ask("greedy");
    }
    await settled();
    expect(refused).toEqual(["greedy UNAVAILABLE", "greedy UNAVAILABLE"]);
    ask("modest");
    ask("modest");
    await settled();
    expect(refused).toEqual(Array(3).fill("greedy UNAVAILABLE"));
    for (let n = 0; n < 8; n += 1) {
      await endOne();
    }
    expect(began.filter((key) => key === "modest")).toHaveLength(2);
    expect(began).toHaveLength(7);
  });

  test("keeps no place for whoever hung up, and nobody waiting longer than is said", async () => {
    const { began, refused, ask, endOne } = bench(createCapacity({ concurrency: 1, waiting: 5, waitMs: 30 }));
    const hangUp = new AbortController();
    ask("a");
    ask("b", hangUp.signal);
    ask("c");
    hangUp.abort(new FederationError("CANCELLED", "The caller hung up."));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(refused).toEqual(["b CANCELLED", "c UNAVAILABLE"]);
    ask("d");
    await endOne();
    expect(began).toEqual(["a", "d"]);
  });

  test("is given back by work that fails", async () => {
    const capacity = createCapacity({ concurrency: 1, waiting: 0, waitMs: 10 });
    for (let n = 0; n < 3; n += 1) {
      await expect(capacity.run({ grant: "a", peer: "p" }, () => Promise.reject(new Error("no")))).rejects.toThrow(
        "no",
      );
    }
    expect(await capacity.run({ grant: "a", peer: "p" }, () => Promise.resolve("yes"))).toBe("yes");
  });
});
