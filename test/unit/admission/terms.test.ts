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
