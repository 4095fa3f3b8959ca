import { z } from "zod";
import { configSchema } from "./schema.ts";

/** A setting that a variable can override. */
export interface ConfigVariable {
  /** For example `MOSAIC_LIMITS_REQUESTS_PER_MINUTE`. */
  name: string;
  /** For example `["limits", "requestsPerMinute"]`. */
  path: string[];
  type: "string" | "integer";
}

interface Node {
  type?: string;
  const?: unknown;
  properties?: Record<string, Node>;
}

/** Every setting with the variable that overrides it, from the schema that checks them. */
export function configVariables(): ConfigVariable[] {
  return variablesOf(z.toJSONSchema(configSchema, { io: "input" }) as Node, []);
}

function variablesOf(node: Node, path: string[]): ConfigVariable[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]): ConfigVariable[] => {
    const here = [...path, key];
    if (child.properties !== undefined) {
      return variablesOf(child, here);
    }
    // The format's version and the editor's schema are of the file.
    if (child.const !== undefined || key === "$schema") {
      return [];
    }
    const words = here.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
    return [{ name: `MOSAIC_${words.join("_")}`, path: here, type: child.type === "integer" ? "integer" : "string" }];
  });
}

/**
 * A configuration with the variables of the environment over it. A number that is none stays text, for the check to refuse by
 * its path.
 */
export function applyEnvironment(value: unknown, environment: NodeJS.ProcessEnv): unknown {
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const result = structuredClone(value) as Record<string, unknown>;
  for (const { name, path, type } of configVariables()) {
    const text = environment[name];
    if (text !== undefined && text !== "") {
      setAt(result, path, type === "integer" && /^-?\d{1,15}$/.test(text) ? Number(text) : text);
    }
  }
  return result;
}

function setAt(target: Record<string, unknown>, [key = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const child = target[key];
  const next = typeof child === "object" && child !== null ? (child as Record<string, unknown>) : {};
  target[key] = next;
  setAt(next, rest, value);
}
