import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { startDeadline } from "../../../src/deadline.ts";
import { exportAudit } from "../../../src/listeners/pages/export-audit.ts";
import type { AskPages, PagesCaller } from "../../../src/pages/ask.ts";

const STEP_MS = 400;

let server: Server;

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A server that exports pages that `ask` brings; how each export ended. */
async function exporting(ask: AskPages): Promise<{ url: string; ended: Promise<unknown> }> {
  const ended = Promise.withResolvers<unknown>();
  server = createServer((_, response) => {
    const caller = { deadline: startDeadline(STEP_MS) } as PagesCaller;
    exportAudit(response, caller, ask, new URLSearchParams(), STEP_MS).then(
      () => {
        ended.resolve("whole");
      },
      (error: unknown) => {
        ended.resolve((error as { code?: unknown }).code);
        response.destroy();
      },
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ended: ended.promise };
}

/** So many pages of a row each, each of which takes so long. */
function pages(count: number, ms: number, width = 1): AskPages {
  return async (_caller, _operation, field, { before }) => {
    if (field !== "audit") {
      return {};
    }
    await sleep(ms);
    const n = Number(before ?? 0);
    return { rows: [{ id: n, verb: "x".repeat(width) }], next: n + 1 < count ? String(n + 1) : null };
  };
}

const idsOf = (text: string): unknown[] =>
  text
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { id: unknown }).id);

test("an export goes on for longer than one page of it may take", async () => {
  const { url, ended } = await exporting(pages(8, STEP_MS / 4));
  const text = await (await fetch(url)).text();
  expect(idsOf(text)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(await ended).toBe("whole");
});

test("an export of which nobody takes anything for so long ends, and does not look whole", async () => {
  const { url, ended } = await exporting(pages(1_000, 0, 1_000_000));
  const { body } = await fetch(url);
  expect(await ended).toBe("DEADLINE_EXCEEDED");
  await expect(new Response(body).text()).rejects.toThrow();
});

test("an export ends when the browser hangs up", async () => {
  const { url, ended } = await exporting(pages(1_000, 0, 1_000_000));
  const controller = new AbortController();
  await fetch(url, { signal: controller.signal });
  controller.abort();
  expect(await ended).toBe("CANCELLED");
});
