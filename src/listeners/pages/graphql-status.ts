import type { ExecutionResult } from "postgraphile/graphql";
import { ERROR_TABLE } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";

/** The status of a GraphQL answer: of one without data, that of its first error, for what was asked was not done. */
export function statusOf({ data, errors }: ExecutionResult): number {
  const code = errors?.[0]?.extensions["code"];
  const nothing = data == null || Object.values(data).every((value) => value == null);
  return nothing && typeof code === "string" && code in ERROR_TABLE ? ERROR_TABLE[code as ErrorCode].status : 200;
}
