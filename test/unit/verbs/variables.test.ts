import { describe, expect, test } from "vitest";
import { readVerbRequest } from "../../../src/verbs/variables.ts";

describe.each(["\0", "a\0b", "\ud800"])("what a database cannot hold as text, %j,", (value) => {
  test.each([
    ["list", { resource: value }, "variables.resource"],
    ["list", { resource: "tasks", after: value }, "variables.after"],
    ["get", { resource: "tasks", id: value }, "variables.id"],
    ["search", { query: value }, "variables.query"],
    ["search", { query: "x", after: value }, "variables.after"],
  ])("is refused in a %s, as %j", (documentId, variables, path) => {
    expect(() => readVerbRequest({ documentId, variables })).toThrow(
      expect.objectContaining({
        code: "BAD_REQUEST",
        message: `The request is not well-formed at "${path}".`,
      }) as Error,
    );
  });
});
