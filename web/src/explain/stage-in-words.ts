import type { ResultOf } from "gql.tada";
import type { explainMutation } from "./explain-mutation.ts";

type Explanation = ResultOf<typeof explainMutation>["explain"];

const NO_SESSION = "the grant opens no session";

const RESOURCE_WORDS: Partial<Record<string, (resource: string) => string>> = {
  "": (resource) => `the scope names ${resource}`,
  excluded: (resource) => `the scope excludes ${resource}`,
  "not in scope": (resource) => `the scope does not name ${resource}`,
  "not registered": (resource) => `there is no resource ${resource}`,
  unprotected: () => "row-level security or the scope policy was taken from the table",
};

/** Why a stage lets the request on or not, in the words of `mosaic federation grant explain`. */
export function stageInWords(
  { stage, passes, reason, teams }: Explanation["stages"][number],
  { resource }: Pick<Explanation, "resource">,
): string {
  switch (stage) {
    case "grant":
      return `it is ${reason ?? ""}`;
    case "certificate":
      return passes === true ? "one is good" : passes === null ? NO_SESSION : (reason ?? "");
    case "subject":
      return passes === true
        ? `${reason ?? ""}, ${teams === null || teams.length === 0 ? "in no team" : `in ${teams.join(", ")}`}`
        : `${reason ?? ""} is gone`;
    default:
      return passes === null ? NO_SESSION : (RESOURCE_WORDS[reason ?? ""]?.(resource) ?? "");
  }
}
