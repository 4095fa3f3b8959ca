import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the types that the pages are checked by are those of docs/reference/pages.graphql: npm run types:pages makes them anew", () => {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-types-"));
  try {
    const made = join(folder, "introspection.d.ts");
    execFileSync("node_modules/.bin/gql.tada", [
      "generate-output",
      "--tsconfig",
      "web/tsconfig.json",
      "--output",
      made,
    ]);
    expect(readFileSync("web/src/api/introspection.d.ts", "utf8")).toBe(readFileSync(made, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
