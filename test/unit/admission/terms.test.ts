import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createTerms } from "../../../src/admission/terms.ts";
import type { GrantTerms } from "../../../src/admission/terms.ts";
import type { Sessions } from "../../../src/database/session.ts";
import { createLog } from "../../../src/observability/log.ts";

test("terms that nobody could read are known to be so, and those of a moment ago hold", async () => {
  let away = true;
  // The one statement of the terms, answered.
  const answer = { rows: [{ requests_per_minute: 7, burst: null, audit_mode: "strict", peer_host: "home.example" }] };
  const sessions: Pick<Sessions, "asGatewayOnce"> = {
    asGatewayOnce: () => (away ? Promise.reject(new Error("away")) : Promise.resolve(answer as never)),
  };
  const terms = createTerms(sessions as Sessions, 60, createLog("silent"));
  expect(await terms.of("grant")).toMatchObject({ known: false, requestsPerMinute: 60 });
  away = false;
  await new Promise((resolve) => setTimeout(resolve, 110));
  const read = { known: true, requestsPerMinute: 7, auditMode: "strict", peerHost: "home.example" };
  expect(await terms.of("grant")).toMatchObject(read);
  away = true;
  await new Promise((resolve) => setTimeout(resolve, 110));
  expect(await terms.of("grant")).toMatchObject(read);
  // But for no longer than a minute: by then they may have become strict.
  const later = performance.now() + 61_000;
  vi.spyOn(performance, "now").mockReturnValue(later);
  try {
    expect(await terms.of("grant")).toMatchObject({ known: false });
  } finally {
    vi.restoreAllMocks();
  }
});

/** Terms whose readings are answered by hand, at times that are said. */
function byHand(): {
  termsAt: (ms: number, ask?: "of" | "fresh") => Promise<GrantTerms>;
  readings: { answer: (limit: number) => void; fail: () => void }[];
  end: () => void;
} {
  const begun = performance.now();
  const clock = vi.spyOn(performance, "now");
  const readings: { answer: (limit: number) => void; fail: () => void }[] = [];
  const sessions: Pick<Sessions, "asGatewayOnce"> = {
    asGatewayOnce: () =>
      new Promise((resolve, reject) => {
        readings.push({
          answer: (limit) => {
            const row = { requests_per_minute: limit, burst: null, audit_mode: "async", peer_host: "home.example" };
            resolve({ rows: [row] } as never);
          },
          fail: () => {
            reject(new Error("away"));
          },
        });
      }),
  };
  const terms = createTerms(sessions as Sessions, 60, createLog("silent"));
  return {
    termsAt: (ms, ask = "of") => {
      clock.mockReturnValue(begun + ms);
      return terms[ask]("grant");
    },
    readings,
    end: () => {
      vi.restoreAllMocks();
    },
  };
}

describe("of a grant that asks all the time", () => {
  let asked: ReturnType<typeof byHand>;
  beforeEach(async () => {
    asked = byHand();
    const first = asked.termsAt(0);
    asked.readings[0]?.answer(7);
    expect(await first).toMatchObject({ known: true, requestsPerMinute: 7 });
  });
  afterEach(() => {
    asked.end();
  });

  test("terms are read again shortly before they are too old, and nobody waits for that until they are", async () => {
    const { termsAt, readings } = asked;
    expect(await termsAt(79)).toMatchObject({ requestsPerMinute: 7 });
    expect(readings).toHaveLength(1);
    expect(await termsAt(81)).toMatchObject({ requestsPerMinute: 7 });
    expect(await termsAt(99)).toMatchObject({ requestsPerMinute: 7 });
    expect(readings).toHaveLength(2);
    const late = termsAt(101);
    expect(readings).toHaveLength(2);
    readings[1]?.answer(8);
    expect(await late).toMatchObject({ requestsPerMinute: 8 });
    // They are as old as the reading, which began at 81.
    expect(await termsAt(160)).toMatchObject({ requestsPerMinute: 8 });
    expect(readings).toHaveLength(2);
    expect(await termsAt(162)).toMatchObject({ requestsPerMinute: 8 });
    expect(readings).toHaveLength(3);
  });

  test("a reading that takes long is not believed by whoever came long after it began: it is followed by one more", async () => {
    const { termsAt, readings } = asked;
    await termsAt(81);
    const soon = termsAt(150);
    const late = termsAt(200);
    const fresh = termsAt(200, "fresh");
    readings[1]?.answer(8);
    expect(await soon).toMatchObject({ requestsPerMinute: 8 });
    await vi.waitFor(() => {
      expect(readings).toHaveLength(3);
    });
    readings[2]?.answer(9);
    expect(await late).toMatchObject({ requestsPerMinute: 9 });
    expect(await fresh).toMatchObject({ requestsPerMinute: 9 });
    expect(readings).toHaveLength(3);
  });

  test("a reading that fails while nobody waits for it fails nobody, and the last that are known hold", async () => {
    const { termsAt, readings } = asked;
    await termsAt(81);
    readings[1]?.fail();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await termsAt(99)).toMatchObject({ known: true, requestsPerMinute: 7 });
    const later = termsAt(200);
    readings[2]?.fail();
    expect(await later).toMatchObject({ known: true, requestsPerMinute: 7 });
    // But for no longer than a minute.
    const muchLater = termsAt(61_000);
    readings[3]?.fail();
    expect(await muchLater).toMatchObject({ known: false });
  });
});

test("a grant that was never read is unknown for as long as nobody can read it", async () => {
  const { termsAt, readings, end } = byHand();
  try {
    const first = termsAt(0);
    readings[0]?.fail();
    expect(await first).toMatchObject({ known: false, requestsPerMinute: 60 });
    expect(await termsAt(90)).toMatchObject({ known: false });
    readings[1]?.fail();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await termsAt(95)).toMatchObject({ known: false });
  } finally {
    end();
  }
});
