/** Resources of the random worlds. */
export const MODEL_RESOURCES = ["tasks", "notes", "projects"] as const;
export type ModelResource = (typeof MODEL_RESOURCES)[number];

/** A row of a world: whose it is, and which team's; no team is a personal row. */
export interface ModelRow {
  id: string;
  resource: ModelResource;
  owner: string;
  team: string | null;
}

/** All there is to know of a gateway's application. */
export interface World {
  memberships: Record<string, readonly string[]>;
  rows: readonly ModelRow[];
}

/** A scope, every key of it that may be absent absent. */
export interface ModelScope {
  resources: readonly string[];
  excluded_resources?: readonly string[] | undefined;
  include_teams?: readonly string[] | "*" | undefined;
  include_personal?: boolean | undefined;
  max_rows_per_query?: number | undefined;
}

/**
 * Whom a grant serves, said once more and as naively as possible: nothing here is shared with the SQL under test.
 *
 * @returns the ids of the rows that the peer reads, in no order, or "denied" where the scope does not reach the resource
 */
export function served(world: World, subject: string, scope: ModelScope, resource: ModelResource): string[] | "denied" {
  if (!scope.resources.includes(resource) || (scope.excluded_resources ?? []).includes(resource)) {
    return "denied";
  }
  const own = world.memberships[subject] ?? [];
  return world.rows
    .filter((row) => row.resource === resource)
    .filter((row) => row.owner === subject || (row.team !== null && own.includes(row.team)))
    .filter((row) => {
      if (row.team === null) {
        return scope.include_personal === true;
      }
      if (!own.includes(row.team)) {
        return false;
      }
      return (
        scope.include_teams === "*" || (Array.isArray(scope.include_teams) && scope.include_teams.includes(row.team))
      );
    })
    .map((row) => row.id);
}
