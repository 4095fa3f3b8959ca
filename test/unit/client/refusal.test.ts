import { expect, test } from "vitest";
import { refusalOf } from "../../../src/client/peer-connections.ts";
import { ERROR_TABLE } from "../../../src/errors.ts";

test.each(["RESOURCE_DENIED", "NOT_FOUND", "GRANT_REVOKED", "CERTIFICATE_UNKNOWN"] as const)(
  "a peer's %s says what it means and whom to ask, beside who refused",
  (code) => {
    const refusal = refusalOf("work.example", code, ERROR_TABLE[code].status);
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain("work.example");
    expect(refusal.message).toContain(ERROR_TABLE[code].meaning);
    expect(refusal.message).toContain("administrator");
  },
);

test("what our own side can mend sends nobody to the administrator of the other", () => {
  const refusal = refusalOf("work.example", "BAD_REQUEST", 400);
  expect(refusal.message).toContain(ERROR_TABLE.BAD_REQUEST.meaning);
  expect(refusal.message).not.toContain("administrator");
});
