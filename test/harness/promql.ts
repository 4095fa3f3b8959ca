import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const FOLDER = join(import.meta.dirname, "../../docs/observability");

interface Dashboard {
  panels: { targets?: { expr: string; legendFormat: string }[] }[];
  templating: { list: { query: string | { query: string } }[] };
}
interface Rules {
  groups: { rules: { expr: string; annotations: Record<string, string> }[] }[];
}

/** An expression, and the texts that name labels of its result. */
interface Use {
  expression: string;
  shown: string;
}

function usesOf(file: string): Use[] {
  const text = readFileSync(join(FOLDER, file), "utf8");
  if (file.endsWith(".yml")) {
    return (parse(text) as Rules).groups.flatMap(({ rules }) =>
      rules.map(({ expr, annotations }) => ({ expression: expr, shown: Object.values(annotations).join(" ") })),
    );
  }
  const { panels, templating } = JSON.parse(text) as Dashboard;
  return [
    ...panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr, legendFormat }) => ({ expression: expr, shown: legendFormat })),
    ...templating.list.map(({ query }) => ({ expression: typeof query === "string" ? query : query.query, shown: "" })),
  ];
}

/**
 * The metrics that a file of docs/observability/ uses, with the labels by which it picks, groups or shows them. An expression's labels count for
 * each of its metrics, but for those that pick one metric's samples.
 */
export function usedMetrics(file: string): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>();
  for (const { expression, shown } of usesOf(file)) {
    const grouping = [...expression.matchAll(/\b(?:by|on|without|group_left|ignoring)\s*\(([^)]*)\)/g)].flatMap(
      ([, names = ""]) => names.split(/\s*,\s*/).filter((name) => name !== ""),
    );
    const inText = [...shown.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g)].map(([, name = ""]) => name);
    for (const [, metric = "", matchers = ""] of expression.matchAll(/\b(mosaic_[a-z_]+|up)\b(?:\{([^}]*)\})?/g)) {
      const picked = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, name = ""]) => name);
      used.set(metric, new Set([...(used.get(metric) ?? []), ...picked, ...grouping, ...inText]));
    }
  }
  return used;
}
