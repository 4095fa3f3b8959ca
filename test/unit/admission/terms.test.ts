import { expect, test, vi } from "vitest";
import { createTerms } from "../../../src/admission/terms.ts";
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

test("terms are read again shortly before they are too old, and nobody waits for that until they are", async () => {
  const begun = performance.now();
  const clock = vi.spyOn(performance, "now");
  const answers: ((limit: number) => void)[] = [];
  const sessions: Pick<Sessions, "asGatewayOnce"> = {
    asGatewayOnce: () =>
      new Promise((resolve) => {
        answers.push((limit) => {
          resolve({
            rows: [{ requests_per_minute: limit, burst: null, audit_mode: "async", peer_host: "home.example" }],
          } as never);
        });
      }),
  };
  const terms = createTerms(sessions as Sessions, 60, createLog("silent"));
  const limitAt = async (ms: number): Promise<number> => {
    clock.mockReturnValue(begun + ms);
    return (await terms.of("grant")).requestsPerMinute;
  };
  try {
    const first = limitAt(0);
    answers[0]?.(7);
    expect(await first).toBe(7);
    expect(await limitAt(79)).toBe(7);
    expect(answers).toHaveLength(1);
    expect(await limitAt(81)).toBe(7);
    expect(await limitAt(99)).toBe(7);
    expect(answers).toHaveLength(2);
    const late = limitAt(101);
    expect(answers).toHaveLength(2);
    answers[1]?.(8);
    expect(await late).toBe(8);
    // As old as when they were asked for.
    expect(await limitAt(160)).toBe(8);
    expect(answers).toHaveLength(2);
    expect(await limitAt(162)).toBe(8);
    expect(answers).toHaveLength(3);
  } finally {
    vi.restoreAllMocks();
  }
});
