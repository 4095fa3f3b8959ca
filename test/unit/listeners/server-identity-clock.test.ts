import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { createServerIdentity, keepServerIdentity } from "../../../src/listeners/server-identity.ts";
import type { KeptServerIdentity, ServerIdentity } from "../../../src/listeners/server-identity.ts";
import { createLog } from "../../../src/observability/log.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";

const DAY_MS = 86_400_000;
const config = parseConfig({ version: 2, tier: "local", host: "work.localhost" });
const root = createRoot({ commonName: "work.localhost", lifetimeDays: 100 });
const authority = createEmbeddedAuthority({ ...root, oidArc: config.oidArc, crlUrl: "https://work.localhost/crl" });
const make = (): Promise<ServerIdentity> => createServerIdentity(authority, config, 30 * 86_400);

let kept: KeptServerIdentity;
let applied: ServerIdentity[];
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  applied = [];
  kept = keepServerIdentity({
    first: await make(),
    make,
    apply: (next) => applied.push(next),
    log: createLog("silent"),
  });
});
afterEach(async () => {
  await kept.close();
  vi.useRealTimers();
});

/** Five minutes pass by a clock that was set by so much before. */
async function afterJump(byMs: number): Promise<void> {
  vi.setSystemTime(Date.now() + byMs);
  await vi.advanceTimersByTimeAsync(5 * 60_000);
}

test("a certificate that is good is left alone, a clock that is a day ahead included", async () => {
  await afterJump(0);
  await afterJump(DAY_MS);
  expect(applied).toEqual([]);
});

test("a clock that was set back to before the certificate gets another one, once", async () => {
  await afterJump(-DAY_MS);
  expect(applied).toHaveLength(1);
  expect(applied[0]?.notBefore.getTime()).toBeLessThan(Date.now());
});

test("a clock that was set ahead beyond two thirds of its life gets another one, without that so much time passed", async () => {
  await afterJump(21 * DAY_MS);
  expect(applied).toHaveLength(1);
});
