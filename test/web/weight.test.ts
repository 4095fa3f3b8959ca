import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const PAGES = "dist/pages";
const MOST_BYTES = 250_000;

const manifestSchema = z.record(
  z.string(),
  z.object({
    file: z.string(),
    isEntry: z.boolean().optional(),
    isDynamicEntry: z.boolean().optional(),
    imports: z.array(z.string()).default([]),
    dynamicImports: z.array(z.string()).default([]),
  }),
);
const manifest = manifestSchema.parse(JSON.parse(readFileSync(`${PAGES}/.vite/manifest.json`, "utf8")));

/** What a module needs before it runs, itself included. */
function neededBy(name: string, found = new Set<string>()): Set<string> {
  const module = manifest[name];
  if (module !== undefined && !found.has(name)) {
    found.add(name);
    for (const imported of module.imports) {
      neededBy(imported, found);
    }
  }
  return found;
}

function weigh(names: Iterable<string>): number {
  return [...names]
    .map((name) => manifest[name]?.file ?? "")
    .filter((file) => file.endsWith(".js"))
    .reduce((bytes, file) => bytes + gzipSync(readFileSync(`${PAGES}/${file}`)).length, 0);
}

describe("what a browser loads", () => {
  const entry = Object.keys(manifest).find((name) => manifest[name]?.isEntry === true) ?? "";
  const routes = (manifest[entry]?.dynamicImports ?? []).filter((name) => name.startsWith("src/pages/"));

  test("is split by page", () => {
    expect(routes.length).toBeGreaterThanOrEqual(10);
  });

  test.each(routes)("is at most 250 kB of compressed JavaScript for %s, with all that it loads later", (route) => {
    const loaded = new Set([...neededBy(entry), ...neededBy(route)]);
    for (const name of manifest[route]?.dynamicImports ?? []) {
      neededBy(name, loaded);
    }
    const bytes = weigh(loaded);
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  test("is of this gateway alone, without inline scripts or styles", () => {
    const html = readFileSync(`${PAGES}/index.html`, "utf8");
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
  });
});
