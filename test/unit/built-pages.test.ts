import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pagesForPeople } from "../../cli/commands/serve.ts";
import { asFederationError } from "../../src/errors.ts";
import { createBuiltPages } from "../../src/listeners/pages/built-pages.ts";

let folder: string;
let server: Server;
let origin: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-built-"));
  mkdirSync(join(folder, "assets"));
  mkdirSync(join(folder, ".vite"));
  const pages = createBuiltPages(folder);
  server = createServer((request, response) => {
    pages.send(request, response, decodeURIComponent(request.url?.slice(1) ?? "")).catch((error: unknown) => {
      response.writeHead(asFederationError(error).status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

test("pages that were not built are 503 until they are; then what was built is sent, and a place within the pages is their first", async () => {
  expect((await fetch(origin)).status).toBe(503);
  expect(pagesForPeople(origin, folder)).toContain("npm run build:pages");
  const inBrowser = await fetch(origin, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
  expect(inBrowser.status).toBe(503);
  expect(inBrowser.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await inBrowser.text()).toContain("npm run build:pages");
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>Mosaic</title>");
  expect(pagesForPeople(origin, folder)).toBe(origin);
  writeFileSync(join(folder, "assets", "index-a1b2.js"), "export {};".repeat(1_000));
  writeFileSync(join(folder, ".vite", "manifest.json"), "{}");
  for (const path of ["/index.html", "/grants", "/grants/0190b6e2"]) {
    const response = await fetch(origin + path);
    expect(response.status, path).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(await response.text()).toContain("<title>Mosaic</title>");
  }
  const script = await fetch(`${origin}/assets/index-a1b2.js`);
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(script.headers.get("content-encoding")).toBe("gzip");
  expect(Number(script.headers.get("content-length"))).toBeLessThan(1_000);
  expect(await script.text()).toHaveLength(10_000);
  const etag = script.headers.get("etag") ?? "";
  expect((await fetch(`${origin}/assets/index-a1b2.js`, { headers: { "if-none-match": etag } })).status).toBe(304);
});

test("nothing else of the disk is sent: no path that leads out, no file of the builder's, none that came later", async () => {
  writeFileSync(join(folder, "later.js"), "later");
  for (const path of [
    "/..%2f..%2fetc%2fhosts.txt",
    "/%2fetc%2fpasswd.txt",
    "/.vite/manifest.json",
    "/later.js",
    "/missing.js",
  ]) {
    expect((await fetch(origin + path)).status, path).toBe(404);
  }
});
