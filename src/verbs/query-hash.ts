import { hash } from "node:crypto";

/** SHA-256 over the parameters with their keys in order, so that equal queries have equal hashes; hex. */
export function queryHash(variables: unknown): string {
  return hash("sha256", JSON.stringify(normalised(variables)));
}

function normalised(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(normalised);
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined && item !== null)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, item]) => [key, normalised(item)]),
    );
  }
  return value;
}
