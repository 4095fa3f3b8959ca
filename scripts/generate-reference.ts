import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../src/config/package-root.ts";
import { generateReference, staleFiles } from "./reference/generate.ts";
import { withSampleDatabase } from "./sample-database.ts";

// Writes docs/reference/; with --check, writes nothing and fails where a file is not as it would be written.
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const generated = await withSampleDatabase(generateReference);
const stale = staleFiles(generated);
for (const path of stale) {
  console.log(`${values.check ? "stale" : "written"}: ${path}`);
  if (!values.check) {
    const file = join(packageRoot(), path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, generated.get(path) ?? "");
  }
}
process.exitCode = values.check && stale.length > 0 ? 1 : 0;
