/** What narrows a grant, whole: see docs/concepts.md. */
export interface Scope {
  resources: string[];
  excluded: string[];
  /** "all": every team that the subject is in. */
  teams: "all" | string[];
  personal: boolean;
  maxRows: number;
}

/** What holds where a scope is silent. */
const SILENT: Scope = { resources: [], excluded: [], teams: [], personal: false, maxRows: 100 };

/** What is wrong with a scope that lets out nothing. */
export const NO_RESOURCE = "Choose at least one resource.";

/** A scope that was read, or what is wrong with it. */
export type ReadScope = { scope: Scope } | { error: string };

/** Reads JSON that a person wrote; what names it holds is for the gateway to judge. */
export function parseScope(text: string): ReadScope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `This is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
  return readScope(value);
}

/** Reads a scope as the gateway keeps it. */
export function readScope(value: unknown): ReadScope {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { error: "A scope is a JSON object." };
  }
  const scope = { ...SILENT };
  for (const [key, part] of Object.entries(value) as [string, unknown][]) {
    switch (key) {
      case "resources":
      case "excluded_resources":
        if (!isNames(part)) {
          return { error: `"${key}" is a list of resource names.` };
        }
        scope[key === "resources" ? "resources" : "excluded"] = part;
        break;
      case "include_teams":
        if (part !== "*" && !isNames(part)) {
          return { error: `"${key}" is "*" or a list of team ids.` };
        }
        scope.teams = part === "*" ? "all" : part;
        break;
      case "include_personal":
        if (typeof part !== "boolean") {
          return { error: `"${key}" is true or false.` };
        }
        scope.personal = part;
        break;
      case "max_rows_per_query":
        if (typeof part !== "number" || !isCap(part)) {
          return { error: `"${key}" is a whole number from 1 to 10000.` };
        }
        scope.maxRows = part;
        break;
      default:
        return { error: `"${key}" is not a key of a scope.` };
    }
  }
  return scope.resources.length === 0 ? { error: `"resources" names at least one resource.` } : { scope };
}

/** A scope as the gateway takes it; what says nothing is left out. */
export function scopeToJson({ resources, excluded, teams, personal, maxRows }: Scope): Record<string, unknown> {
  return {
    resources,
    ...(excluded.length === 0 ? {} : { excluded_resources: excluded }),
    ...(teams === "all" ? { include_teams: "*" } : teams.length === 0 ? {} : { include_teams: teams }),
    ...(personal ? { include_personal: true } : {}),
    ...(maxRows === SILENT.maxRows ? {} : { max_rows_per_query: maxRows }),
  };
}

/** The resources that a kept scope lets out. */
export function resourcesOf(kept: unknown): string[] {
  const read = readScope(kept);
  return "scope" in read ? read.scope.resources.filter((name) => !read.scope.excluded.includes(name)) : [];
}

/** Whether a number may cap a query. */
export function isCap(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 10_000;
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string" && name.length > 0);
}
