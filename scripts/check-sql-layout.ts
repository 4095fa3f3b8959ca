import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folders whose SQL is ours; `test/data` is not. */
const FOLDERS = ["migrations/committed", "sql", "sample", "test/lint"];
const LONGEST_LINE = 180;
const UPPER_CASE_KEYWORD =
  /\b(SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|GRANT|REVOKE|FUNCTION|RETURNS|LANGUAGE|BEGIN|END|IF|THEN|ELSE|LOOP|TABLE|POLICY|AND|OR|NOT|NULL|IS|IN|ON|AS|JOIN|ORDER BY|GROUP BY)\b/;

/**
 * What the layout of one SQL file breaks, a line each; see docs/decisions/0001-formatting.md.
 *
 * @param path relative to the project, with forward slashes
 */
function layoutFaults(path: string, text: string): string[] {
  const faults: string[] = [];
  const lines = text.split("\n");
  if (!text.endsWith("\n") || text.endsWith("\n\n")) {
    faults.push(`${path}: ends with exactly one line break`);
  }
  if (path.startsWith("sql/") && !text.startsWith("-- Guarantees: ")) {
    faults.push(`${path}:1: begins with what it guarantees ("-- Guarantees: …")`);
  }
  lines.forEach((line, index) => {
    const at = `${path}:${index + 1}`;
    if (line.includes("\t")) {
      faults.push(`${at}: spaces, no tabs`);
    }
    if (/\s$/.test(line)) {
      faults.push(`${at}: nothing after the last character`);
    }
    if (line.length > LONGEST_LINE) {
      faults.push(`${at}: at most ${LONGEST_LINE} characters`);
    }
    if (line === "" && lines[index + 1] === "" && index + 2 < lines.length) {
      faults.push(`${at}: one empty line at a time`);
    }
    const indent = /^ */.exec(line)?.[0].length ?? 0;
    if (indent % 2 === 1 && !/^ *(\*|--)/.test(line)) {
      faults.push(`${at}: indented by two spaces`);
    }
    const code = line.replace(/--.*$/, "").replace(/'[^']*'?/g, "''");
    const keyword = UPPER_CASE_KEYWORD.exec(code)?.[0];
    if (keyword !== undefined) {
      faults.push(`${at}: ${keyword} in lower case`);
    }
  });
  return faults;
}

const root = join(import.meta.dirname, "..");
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sql"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`),
);
const faults = files.flatMap((file) => layoutFaults(file, readFileSync(join(root, file), "utf8")));
for (const fault of faults) {
  console.error(fault);
}
console.log(`${files.length} SQL files looked at, ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
