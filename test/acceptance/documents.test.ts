import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../../src/config/package-root.ts";
import { ERROR_TABLE } from "../../src/errors.ts";

const ROOT = packageRoot();
const PAGES = [
  ...["README.md", "CONTRIBUTING.md"],
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => join("docs", path)),
].sort();

const read = (page: string): string => readFileSync(join(ROOT, page), "utf8");

/** A page without its blocks of code. */
const prose = (page: string): string => read(page).replace(/^```[^]*?^```/gm, "");

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...prose(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  );
}

/** The codes of the calls; one that is no literal is named by the condition that leads to its call. */
function kindsOfSql(text: string): string[] {
  const [head = "", ...calls] = text.split("federation.raise_alert(");
  let before = head;
  return calls.map((call) => {
    const asked = [...before.matchAll(/= '([A-Z_]+)' then/g)].at(-1)?.[1];
    before += call;
    return /^\s*'[a-z]+', '([A-Z_]+)'/.exec(call)?.[1] ?? asked ?? "a call without a code";
  });
}

/** The codes of the one table that says what is raised. */
const kindsOfSource = (text: string): string[] =>
  [...text.matchAll(/^ {2}([A-Z]+(?:_[A-Z]+)+):/gm)].map(([, kind = ""]) => kind);

/** The files that raise alerts, each with the codes of these; the one function that all call is none of them. */
function alertKinds(): Map<string, string[]> {
  const files = ["sql", "src", "worker", "cli"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .map((path) => join(folder, path))
      .filter((path) => /\.(sql|ts)$/.test(path) && path !== join("sql", "87_alerts", "010_alerts.sql")),
  );
  return new Map(
    files
      .map((file) => [file, read(file)] as const)
      .filter(([, text]) => text.includes("federation.raise_alert("))
      .map(([file, text]) => [file, file.endsWith(".sql") ? kindsOfSql(text) : kindsOfSource(text)]),
  );
}

describe("TROUBLESHOOTING", () => {
  const sections = new Map(
    prose("docs/TROUBLESHOOTING.md")
      .split(/^### /m)
      .slice(1)
      .map((section) => [
        section.split("\n", 1)[0] ?? "",
        section.split("\n").slice(1).join("\n").split(/^## /m)[0] ?? "",
      ]),
  );

  // What the pages say where no gateway said anything.
  const pagesOwn = [...read("web/src/api/request.ts").matchAll(/new RequestError\("[^"]*", "([A-Z_]+)"/g)].map(
    ([, code = ""]) => code,
  );
  const kinds = alertKinds();
  const alerts = [...new Set([...kinds.values()].flat())].sort();
  const codes = [...new Set([...Object.keys(ERROR_TABLE), ...pagesOwn, ...alerts])];

  test.each(codes)("says of %s what it means and what to do", (code) => {
    expect(sections.get(code)?.trim().length).toBeGreaterThan(50);
  });

  test("knows the alerts of each file that raises some, and names each under Alerts", () => {
    expect([...kinds].filter(([, found]) => found.length === 0)).toEqual([]);
    expect(alerts).toEqual(
      expect.arrayContaining(["CERTIFICATE_EXPIRED", "CRL_STALE", "RENEWAL_FAILED", "VALKEY_AWAY"]),
    );
    const [, section = ""] = prose("docs/TROUBLESHOOTING.md").split(/^## Alerts$/m);
    expect(alerts.filter((kind) => !section.includes(kind))).toEqual([]);
  });

  test("is about no code that there is not", () => {
    expect([...sections.keys()].filter((code) => !codes.includes(code))).toEqual([]);
  });
});

describe.each(PAGES)("%s", (page) => {
  test("links to what is there", () => {
    const broken = [
      ...prose(page)
        .replace(/`[^`\n]*`/g, "code")
        .matchAll(/\]\(([^)\s]+)\)/g),
    ]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
        const isThere = existsSync(join(ROOT, file));
        return !isThere || (anchor !== undefined && !anchorsOf(file).includes(anchor));
      });
    expect(broken).toEqual([]);
  });
});

describe.each(["THREAT-MODEL", "SECURITY-REVIEW"])("%s", (page) => {
  const named = [...prose(`docs/${page}.md`).matchAll(/`(test\/[^`]+?) › ([^`]+)`/g)].map(
    ([, file = "", name = ""]) => [file, name] as const,
  );

  test.each(named)("names %s › %s, which is there", (file, name) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(read(file)).toContain(name);
  });
});

describe("THREAT-MODEL", () => {
  test("has a test for each defence", () => {
    const rows = prose("docs/THREAT-MODEL.md")
      .split(/^## /m)
      .filter((section) => section.includes("| shown by"))
      .flatMap((section) =>
        section
          .split("\n")
          .filter((line) => line.startsWith("|"))
          .slice(2),
      );
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.filter((row) => !row.includes("`test/"))).toEqual([]);
  });
});

test("README leads to each page that stands in docs/ itself", () => {
  const pages = readdirSync(join(ROOT, "docs")).filter((file) => file.endsWith(".md"));
  expect(pages.filter((file) => !read("README.md").includes(`(docs/${file})`))).toEqual([]);
});
