import type { FederationError } from "../errors.ts";
import type { VerbRequest } from "./variables.ts";

/** How a request ended that ended with an error: who hung up was refused nothing. */
export function outcomeOf({ status, code }: Pick<FederationError, "status" | "code">): "denied" | "failed" {
  return status < 500 && code !== "CANCELLED" ? "denied" : "failed";
}

/** The one resource that a request names; a search may go through several. */
export function resourceOf({ variables }: VerbRequest): string | undefined {
  if ("resource" in variables) {
    return variables.resource;
  }
  return "resources" in variables && variables.resources?.length === 1 ? variables.resources[0] : undefined;
}

/**
 * How many rows an answer holds.
 *
 * @param result JSON, as a verb's function returned it
 */
export function rowCount({ verb }: VerbRequest, result: string): number {
  switch (verb) {
    case "capabilities":
      return 0;
    case "get":
      return 1;
    case "list":
      return (JSON.parse(result) as { rows: unknown[] }).rows.length;
    case "search":
      return (JSON.parse(result) as { hits: unknown[] }).hits.length;
  }
}
