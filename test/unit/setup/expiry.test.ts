import { expect, test } from "vitest";
import { expiry } from "../../../src/setup/doctor/findings.ts";

const DAY_MS = 86_400_000;
const found = (left: number, life: number, days?: number): string =>
  expiry(
    { validFrom: new Date(Date.now() - (life - left) * DAY_MS), validTo: new Date(Date.now() + left * DAY_MS) },
    "do something",
    days,
  ).status;

test("a certificate is yellow from seven days before its end, or the last third of a short life, and then red", () => {
  expect([found(8, 30), found(6, 30), found(-1, 30)]).toEqual(["green", "yellow", "red"]);
  expect([found(2, 3), found(0.5, 3)]).toEqual(["green", "yellow"]);
});

test("a root is so earlier: peers renew once before its end", () => {
  expect([found(61, 3_650, 60), found(59, 3_650, 60), found(-1, 3_650, 60)]).toEqual(["green", "yellow", "red"]);
  expect([found(61, 150, 60), found(49, 150, 60)]).toEqual(["green", "yellow"]);
});
