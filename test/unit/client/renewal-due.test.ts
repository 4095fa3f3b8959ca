import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { backOffMs, isRenewalDue, mayBeRunning, renewalWindowMs } from "../../../src/client/renewal-due.ts";
import type { RenewalTimes } from "../../../src/client/renewal-due.ts";

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];
const BEGIN = Date.UTC(2027, 0, 1);

const times = (life: number, left: number, change: Partial<RenewalTimes> = {}): RenewalTimes => ({
  id: "0b9f4b0e-0000-4000-8000-000000000001",
  notBefore: new Date(BEGIN),
  notAfter: new Date(BEGIN + life),
  failures: 0,
  failedAt: null,
  now: new Date(BEGIN + life - left),
  ...change,
});

describe("a certificate", () => {
  test("is renewed seven days before its end, or in the last third of a life shorter than three weeks", () => {
    expect(renewalWindowMs(times(30 * DAY, 0))).toBe(7 * DAY);
    expect(renewalWindowMs(times(21 * DAY, 0))).toBe(7 * DAY);
    expect(renewalWindowMs(times(12 * DAY, 0))).toBe(4 * DAY);
    expect(isRenewalDue(times(30 * DAY, 7 * DAY))).toBe(true);
    expect(isRenewalDue(times(30 * DAY, 7.7 * DAY + 1))).toBe(false);
    expect(isRenewalDue(times(3 * HOUR, HOUR))).toBe(true);
    expect(isRenewalDue(times(3 * HOUR, 1.1 * HOUR + 1))).toBe(false);
  });

  test("of one peer is always renewed at the same time, and those of many are spread over a tenth of the window", () => {
    const ids = Array.from({ length: 300 }, () => randomUUID());
    const due = (left: number): number => ids.filter((id) => isRenewalDue(times(30 * DAY, left, { id }))).length;
    expect(due(7.35 * DAY)).toBe(due(7.35 * DAY));
    expect(due(7.35 * DAY)).toBeGreaterThan(90);
    expect(due(7.35 * DAY)).toBeLessThan(210);
    expect(due(7 * DAY)).toBe(300);
  });
});

describe("an attempt that did not end well", () => {
  test("is made again after a minute, two, four, and never more than six hours and a tenth, or a quarter of a short window", () => {
    const after = (failures: number, life = 30 * DAY): number => backOffMs(times(life, 0, { failures }));
    for (const [failures, least] of [
      [1, MINUTE],
      [2, 2 * MINUTE],
      [3, 4 * MINUTE],
      [9, 256 * MINUTE],
      [10, 6 * HOUR],
      [10_000, 6 * HOUR],
    ] as const) {
      expect(after(failures)).toBeGreaterThanOrEqual(least);
      expect(after(failures)).toBeLessThanOrEqual(least * 1.1);
    }
    expect(after(10_000, 6 * HOUR)).toBeLessThanOrEqual(0.5 * HOUR * 1.1);
  });

  test("is made again whatever is left of the certificate, and at once where a clock was set back since", () => {
    const failed = (ago: number): boolean =>
      isRenewalDue(times(30 * DAY, 20 * DAY, { failures: 1, failedAt: new Date(BEGIN + 10 * DAY - ago) }));
    expect(failed(30_000)).toBe(false);
    expect(failed(2 * MINUTE)).toBe(true);
    expect(failed(-DAY)).toBe(true);
  });

  test("may be running for a minute", () => {
    const at = (ago: number): boolean => mayBeRunning({ failedAt: new Date(BEGIN - ago), now: new Date(BEGIN) });
    expect([at(0), at(59_000), at(61_000), at(-DAY)]).toEqual([true, true, false, false]);
    expect(mayBeRunning({ failedAt: null, now: new Date(BEGIN) })).toBe(false);
  });
});
